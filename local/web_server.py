"""The HTTP server of ``make serve``: the gateway, the page at ``/`` and the API's documentation at ``/docs``."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from werkzeug import Request, Response
from werkzeug.middleware.shared_data import SharedDataMiddleware

from local.gateway import Gateway
from local.loopback import is_own_host, serving

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

PAGE = Path(__file__).parent / "page"
SWAGGER_UI = Path(str(files("aws_lambda_powertools"))) / "event_handler" / "openapi" / "swagger_ui"
"""Powertools, which is pinned, has Swagger UI's files."""
FILES = {
    "/docs/swagger-ui-bundle.min.js": SWAGGER_UI / "swagger-ui-bundle.min.js",
    "/docs/swagger-ui.min.css": SWAGGER_UI / "swagger-ui.min.css",
    "/docs": PAGE / "docs.html",
    "/": PAGE,
    "/openapi.yaml": PAGE.parents[1] / "openapi.yaml",
}


@contextmanager
def web_server(
    gateway: Gateway, port: int = 0, report: Callable[[str], None] = lambda _: None, *, has_budget: bool = False
) -> Iterator[str]:
    """Serve on this machine and give the URL.

    port: 0 for a free one. report: takes a line about each request. has_budget: the page shows the client's budget.
    """
    with serving(_App(gateway, report, has_budget=has_budget), port) as server:
        yield f"http://127.0.0.1:{server.port}"


class _App:
    """The WSGI application."""

    def __init__(self, gateway: Gateway, report: Callable[[str], None], *, has_budget: bool) -> None:
        index = (PAGE / "index.html").read_text("utf-8")
        self._index = index.replace("<html ", "<html data-budget ", 1) if has_budget else index
        self._gateway = gateway
        self._report = report
        paths = {url_path: str(path) for url_path, path in FILES.items()}
        self._files = SharedDataMiddleware(self._call_api, paths, cache_timeout=0, fallback_mimetype="application/yaml")

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        refusal = self._refusal(Request(environ))
        if refusal:
            return Response(refusal, 403)(environ, start_response)
        if environ["PATH_INFO"] == "/":
            return Response(self._index, content_type="text/html; charset=utf-8")(environ, start_response)
        return self._files(environ, start_response)

    def _refusal(self, request: Request) -> str | None:
        """Refuse the requests of foreign web pages: the developer's key would pay for their pictures."""
        if not is_own_host(request.environ):
            return "This server answers only under the name that it printed.\n"
        origin = request.headers.get("Origin")
        if origin in (None, f"http://{request.host}", *self._gateway.cors_origins):
            return None
        return f"Pages of this origin are not allowed. Start: CORS_ORIGINS={origin} make serve\n"

    def _call_api(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        start, request, target = time.monotonic(), Request(environ), environ["RAW_URI"]
        response = self._gateway.answer(request.method, target, dict(request.headers), request.get_data())
        seconds = time.monotonic() - start
        self._report(f"{request.method} {target.partition('?')[0]} {response.status} ({seconds:.1f} s)")
        return Response(response.body, response.status, response.headers)(environ, start_response)
