"""The HTTP server of ``make serve``: the gateway, and beside it the page at ``/`` and the contract's at ``/docs``."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from email.message import Message
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from mimetypes import guess_type
from pathlib import Path
from threading import Thread
from typing import Any

from local.gateway import LONGEST_BODY_BYTES, Gateway, Response, message

CONTRACT = Path("openapi.yaml")
PAGE = Path(__file__).parent / "page"
SWAGGER_UI = files("aws_lambda_powertools") / "event_handler" / "openapi" / "swagger_ui"
"""Powertools, which is pinned, ships Swagger UI's files."""
SWAGGER_UI_FILES = ("swagger-ui-bundle.min.js", "swagger-ui.min.css")
DOCS = b"""<!doctype html>
<html lang="en">
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Generate Image: the HTTP API</title>
<link rel="stylesheet" href="/docs/swagger-ui.min.css">
<main id="swagger-ui"></main>
<script src="/docs/swagger-ui-bundle.min.js"></script>
<script>SwaggerUIBundle({url: "/openapi.yaml", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null})</script>
"""
DRAINED_BYTES = 64 * 1024 * 1024
"""A body that is too large is read so far before it is refused: most clients read no answer before they have sent."""


@contextmanager
def web_server(gateway: Gateway, port: int = 0, tell: Callable[[str], None] = lambda _: None) -> Iterator[str]:
    """Serve on this machine and give the address. port: 0 for a free one. tell: takes a line about each request."""
    server = ThreadingHTTPServer(("127.0.0.1", port), partial(_Requests, gateway, tell))
    server.daemon_threads = True
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def page_file(path: str) -> Response | None:
    """Return what is served beside the API; None where there is no such file."""
    if path == "/docs":
        return _file("docs.html", DOCS)
    if path == "/openapi.yaml":
        return _file("openapi.yaml", CONTRACT.read_bytes())
    name = path.removeprefix("/docs/")
    if name in SWAGGER_UI_FILES:
        return _file(name, (SWAGGER_UI / name).read_bytes())
    name = path.removeprefix("/") or "index.html"
    found = {file.name: file for file in PAGE.iterdir()} if PAGE.is_dir() else {}
    return _file(name, found[name].read_bytes()) if name in found else None


def _file(name: str, content: bytes) -> Response:
    types = {".yaml": "application/yaml", ".js": "text/javascript"}
    content_type = types.get(Path(name).suffix) or guess_type(name)[0] or "application/octet-stream"
    if not content_type.startswith("image/"):
        content_type += "; charset=utf-8"
    return Response(200, {"Content-Type": content_type, "Cache-Control": "no-cache"}, content)


class _Requests(BaseHTTPRequestHandler):
    """One connection's requests, of whatever method."""

    protocol_version = "HTTP/1.1"
    timeout = 60

    def __init__(self, gateway: Gateway, tell: Callable[[str], None], *of_the_server: Any) -> None:  # noqa: ANN401
        self._gateway = gateway
        self._tell = tell
        super().__init__(*of_the_server)

    def __getattr__(self, name: str) -> Callable[[], None]:
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def handle(self) -> None:
        """Serve the connection; a caller that leaves before its answer is none of anybody's business."""
        with suppress(ConnectionError):
            super().handle()

    def log_message(self, *_: object) -> None:
        """Say nothing: ``tell`` does."""

    def _serve(self) -> None:
        began = time.monotonic()
        path = self.path.partition("?")[0]
        body = self._body()
        response = page_file(path) if self.command in ("GET", "HEAD") else None
        if isinstance(body, Response):
            response = body
        elif response is None:
            response = self._gateway.answer(self.command, self.path, _combined(self.headers), body)
            self._tell(f"{self.command} {path} {response.status} ({time.monotonic() - began:.1f} s)")
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)

    def _body(self) -> bytes | Response:
        """Return the request's body, or what it is refused with."""
        if "Transfer-Encoding" in self.headers:
            self.close_connection = True
            return message(411, "Length Required")
        length = self.headers.get("Content-Length", "0")
        if not (length.isascii() and length.isdigit()):
            self.close_connection = True
            return message(400, "Bad Request")
        if int(length) <= LONGEST_BODY_BYTES:
            return self.rfile.read(int(length))
        self.close_connection = True
        left = min(int(length), DRAINED_BYTES)
        while left > 0 and (piece := self.rfile.read(min(left, 1024 * 1024))):
            left -= len(piece)
        return message(413, "Request Entity Too Large")


def _combined(headers: Message) -> Mapping[str, str]:
    """Return the headers, those that come several times joined by commas, as API Gateway does."""
    combined: dict[str, str] = {}
    for name, value in headers.items():
        combined[name] = f"{combined[name]},{value}" if name in combined else value
    return combined
