"""The HTTP server: routes, headers, connections."""

from __future__ import annotations

import secrets
import socket
import time
from contextlib import suppress
from dataclasses import replace
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from .checks import Refusal
from .control import control
from .delivery import Reply, deliver
from .fault import Delivery, Fault, Route
from .generations import NO_FAULT, fault_reply, generate, json_reply, refused
from .protocol import check_key

if TYPE_CHECKING:
    from .models import Model
    from .stand_in import StandIn

LARGEST_BODY = 16 * 1024 * 1024
IMAGE_TYPES = {b"\x89PNG": "image/png", b"\xff\xd8\xff\xe0": "image/jpeg", b"RIFF": "image/webp"}


class Server(ThreadingHTTPServer):
    """A thread for each connection; the open ones are known, so that stopping cuts them."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], stand_in: StandIn) -> None:
        self.stand_in = stand_in
        self.open_connections: set[socket.socket] = set()
        self.lock = Lock()
        super().__init__(address, Handler)

    def close_connections(self) -> None:
        """Cut every open connection, and give the threads a moment to notice."""
        with self.lock:
            for connection in self.open_connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        until = time.monotonic() + 5
        while self.open_connections and time.monotonic() < until:
            time.sleep(0.005)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def setup(self) -> None:
        """Remember the connection."""
        super().setup()
        with self.server.lock:
            self.server.open_connections.add(self.connection)

    def handle(self) -> None:
        """Serve the connection; say nothing of callers that hang up, which is what they are here to try."""
        with suppress(ConnectionError):
            super().handle()

    def finish(self) -> None:
        """Forget the connection."""
        super().finish()
        with self.server.lock:
            self.server.open_connections.discard(self.connection)

    def handle_any(self) -> None:
        """Read a request, answer it."""
        started = time.monotonic()
        self.request_id = f"req_{secrets.token_hex(16)}"
        body = self._read_body()
        if body is None:
            reply = refused(Refusal("The request is too large.", status=413, param=None, code=None))
        else:
            reply = self._route(body)
        self._send(reply, started)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = handle_any  # noqa: N815 - http.server's names

    def log_message(self, *_: object) -> None:
        """Keep quiet: the ledger tells."""

    def _read_body(self) -> bytes | None:
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > LARGEST_BODY:
            self.close_connection = True
            return None
        return self.rfile.read(int(length))

    def _route(self, body: bytes) -> Reply:
        stand_in = self.server.stand_in
        path = urlsplit(self.path).path
        root = f"http://{self.headers.get('Host') or urlsplit(stand_in.url).netloc}"
        authorization = self.headers.get("Authorization")
        match self.command, path.split("/")[1:]:
            case method, ["_stand_in", *_]:
                reply = control(stand_in, method, path, body)
            case "POST", ["v1", "images", "generations"]:
                reply = generate(stand_in, self.request_id, self.headers, body, root)
            case "GET", ["v1", "models", *name]:
                reply = _models(stand_in, authorization, "/".join(name))
            case "GET", ["pictures", *name]:
                stand_in.current_ledger.download(with_authorization=authorization is not None)
                reply = _picture(stand_in, "/".join(name), root)
            case method, ["v1", "images", "generations"] | ["v1", "models", *_]:
                hint = "(HINT: Perhaps you meant to use a different HTTP method?)"
                message = f"Not allowed to {method} on {path}. {hint}"
                reply = refused(Refusal(message, status=405, param=None, code="method_not_supported"))
            case method, _:
                reply = refused(Refusal(f"Invalid URL ({method} {path})", status=404, param=None, code=None))
        return reply

    def _send(self, reply: Reply, started: float) -> None:
        headers: dict[str, str | None] = {
            "Date": formatdate(usegmt=True),
            "Server": "stand-in",
            "x-request-id": self.request_id,
            "openai-processing-ms": str(round((time.monotonic() - started) * 1000)),
            "openai-version": "2020-10-01",
            "openai-organization": "org-stand-in",
            "x-ratelimit-limit-requests": "500",
            "x-ratelimit-remaining-requests": "499",
            "x-ratelimit-reset-requests": "120ms",
            **reply.headers,
        }
        if reply.delivery is Delivery.OVERSIZE:
            headers["Transfer-Encoding"] = "chunked"
        else:
            headers["Content-Length"] = str(len(reply.body))
        if self.close_connection:
            headers["Connection"] = "close"
        if self.command == "HEAD":
            reply = replace(reply, body=b"")
        phrase, _ = self.responses.get(reply.status, ("Unknown", ""))
        lines = [f"HTTP/1.1 {reply.status} {phrase}"]
        lines += [f"{name}: {value}" for name, value in headers.items() if value is not None]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        try:
            reusable = deliver(self.connection, head, reply, self.server.stand_in.sleep)
        except OSError:
            reusable = False
        if not reusable:
            self.close_connection = True


def _models(stand_in: StandIn, authorization: str | None, name: str) -> Reply:
    try:
        check_key(authorization, stand_in.accepted_keys)
    except Refusal as refusal:
        return refused(refusal)
    if struck := stand_in.faults.take(Route.MODELS, name):
        fault = struck[1]
        stand_in.sleep(fault.delay)
        return _struck(fault, fault_reply(fault, {}))
    live = {model.name: model for model in stand_in.models().values() if model.is_live(stand_in.current_date())}
    if not name:
        return json_reply(200, {"object": "list", "data": [_described(model) for model in live.values()]})
    if name not in live:
        message = f"The model '{name}' does not exist"
        return refused(Refusal(message, status=404, param="model", code="model_not_found"))
    return json_reply(200, _described(live[name]))


def _described(model: Model) -> dict[str, object]:
    return {
        "id": model.name,
        "object": "model",
        "created": model.created,
        "owned_by": "system",
        "shutdown_date": model.shutdown.isoformat() if model.shutdown else None,
    }


def _picture(stand_in: StandIn, name: str, root: str) -> Reply:
    picture_id = name.removeprefix("moved/").removesuffix(".png")
    found = stand_in.fetch(picture_id)
    if found is None:
        return Reply(status=404, headers={"Content-Type": "text/plain"}, body=b"No such picture.")
    picture, fault = found
    whole = Reply(status=200, headers={"Content-Type": IMAGE_TYPES.get(picture[:4], "image/png")}, body=picture)
    if name.startswith("moved/"):
        return whole
    if fault is None:
        _, fault = stand_in.faults.take(Route.PICTURES) or (None, NO_FAULT)
    stand_in.sleep(fault.delay)
    if fault.status is None:
        return _struck(fault, whole)
    return _struck(fault, fault_reply(fault, {"url": f"{root}/pictures/{name}", "root": root, "id": picture_id}))


def _struck(fault: Fault, reply: Reply) -> Reply:
    return replace(reply, delivery=fault.delivery, pause=fault.pause, size=fault.size)
