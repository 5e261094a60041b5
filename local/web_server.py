"""The HTTP server of ``make serve``: the gateway, the page at ``/`` and the API's documentation at ``/docs``."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.resources import files
from mimetypes import guess_type
from pathlib import Path
from typing import TYPE_CHECKING

from werkzeug import Request
from werkzeug import Response as HttpResponse

from local.gateway import Gateway, Response, message
from local.loopback import is_own_host, serving

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

LONGEST_BODY_BYTES = 10 * 1024 * 1024
CONTRACT = Path(__file__).parents[1] / "openapi.yaml"
PAGE = Path(__file__).parent / "page"
SWAGGER_UI = files("aws_lambda_powertools") / "event_handler" / "openapi" / "swagger_ui"
"""Powertools, which is pinned, has Swagger UI's files."""
SWAGGER_UI_FILES = ("swagger-ui-bundle.min.js", "swagger-ui.min.css")
DOCS = b"""<!doctype html>
<html lang="en">
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Generate Image: the HTTP API</title>
<link rel="stylesheet" href="/docs/swagger-ui.min.css">
<a href="/">The page</a>
<main id="swagger-ui"></main>
<script src="/docs/swagger-ui-bundle.min.js"></script>
<script>SwaggerUIBundle({url: "/openapi.yaml", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null})</script>
"""
CONTENT_TYPES = {".yaml": "application/yaml", ".js": "text/javascript"}


@contextmanager
def web_server(
    gateway: Gateway, port: int = 0, report: Callable[[str], None] = lambda _: None, *, has_budget: bool = False
) -> Iterator[str]:
    """Serve on this machine and give the URL.

    port: 0 for a free one. report: takes a line about each request. has_budget: the page shows the client's budget.
    """
    with serving(_App(gateway, report, has_budget=has_budget), port) as server:
        yield f"http://127.0.0.1:{server.port}"


def page_file(path: str) -> Response | None:
    """Return the file at a path beside the API, or None."""
    if path == "/docs":
        return _file("docs.html", DOCS)
    if path == "/openapi.yaml":
        return _file("openapi.yaml", CONTRACT.read_bytes())
    name = path.removeprefix("/docs/")
    if name in SWAGGER_UI_FILES:
        return _file(name, (SWAGGER_UI / name).read_bytes())
    name = path.removeprefix("/") or "index.html"
    found = {file.name: file for file in PAGE.iterdir()}
    return _file(name, found[name].read_bytes()) if name in found else None


def _file(name: str, content: bytes) -> Response:
    content_type = CONTENT_TYPES.get(Path(name).suffix) or guess_type(name)[0] or "application/octet-stream"
    if not content_type.startswith("image/"):
        content_type += "; charset=utf-8"
    return Response(200, {"Content-Type": content_type, "Cache-Control": "no-cache"}, content)


class _App:
    """The WSGI application."""

    def __init__(self, gateway: Gateway, report: Callable[[str], None], *, has_budget: bool) -> None:
        self._gateway = gateway
        self._report = report
        self._has_budget = has_budget

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        request = Request(environ)
        response = self._refuse(request) or self._serve(request)
        return HttpResponse(response.body, response.status, response.headers)(environ, start_response)

    def _refuse(self, request: Request) -> Response | None:
        """Refuse the requests of foreign web pages: the developer's key would pay for their pictures."""
        if not is_own_host(request.environ):
            return message(403, "This server answers only under the name that it printed.")
        origin = request.headers.get("Origin")
        if origin in (None, f"http://{request.host}", *self._gateway.cors_origins):
            return None
        return message(403, f"Pages of this origin are not allowed. Start: CORS_ORIGINS={origin} make serve")

    def _serve(self, request: Request) -> Response:
        start, path = time.monotonic(), request.environ["RAW_URI"].partition("?")[0]
        file = page_file(path) if request.method in ("GET", "HEAD") else None
        if file is not None and path == "/" and self._has_budget:
            return replace(file, body=file.body.replace(b"<html ", b"<html data-budget ", 1))
        if file is not None:
            return file
        body = request.stream.read(LONGEST_BODY_BYTES + 1)
        while len(body) > LONGEST_BODY_BYTES and request.stream.read(1024 * 1024):
            pass  # most clients read no response before they have sent the whole body
        response = self._gateway.answer(request.method, request.environ["RAW_URI"], dict(request.headers), body)
        self._report(f"{request.method} {path} {response.status} ({time.monotonic() - start:.1f} s)")
        return response
