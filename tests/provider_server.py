"""A provider over real connections whose every response a test writes."""

import base64
import json
import socket
import ssl
from collections.abc import Callable, Mapping
from http.client import parse_headers
from threading import Thread
from typing import NamedTuple, Self

PICTURE = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
USAGE = {"input_tokens": 9, "output_tokens": 439, "total_tokens": 448}


class Request(NamedTuple):
    """A received request. headers: names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def model(self) -> str:
        return str(json.loads(self.body)["model"])


Responder = Callable[[socket.socket, Request], None]
"""Writes a response. The connection is closed after it."""


def message(status: int, body: object, **headers: str) -> bytes:
    """Return a response as it is sent. body: JSON, or bytes as they are."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} -", f"Content-Length: {len(content)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + content


def write(content: bytes) -> Responder:
    """Return a responder that writes exactly these bytes."""
    return lambda connection, _request: connection.sendall(content)


def respond(status: int, body: object, **headers: str) -> Responder:
    """Return a responder. The arguments are those of ``message``."""
    return write(message(status, body, **headers))


def picture_document(content: bytes) -> dict[str, object]:
    """Return the document of a purchase."""
    return {"created": 1, "data": [{"b64_json": base64.b64encode(content).decode()}], "usage": USAGE}


def picture() -> Responder:
    """Return the response of a purchase."""
    return respond(200, picture_document(PICTURE), x_request_id="req_1")


def refuse(status: int, code: str, **headers: str) -> Responder:
    """Return the response of a refusal in OpenAI's shape."""
    return respond(status, {"error": {"message": "No.", "type": "error", "code": code}}, **headers)


def without(missing: str) -> Responder:
    """Return the responder of a provider that does not have a model."""
    return lambda connection, request: (refuse(404, "model_not_found") if request.model == missing else picture())(
        connection, request
    )


class ProviderServer:
    """Serves one connection at a time, each with the next responder, and the last one again and again.

    Before it is entered, its port refuses connections. A client that speaks TLS to a plain server is cut off.
    """

    def __init__(self, *responders: Responder, context: ssl.SSLContext | None = None) -> None:
        self._responders = list(responders)
        self._context = context
        self.requests: list[Request] = []
        self.connections = 0
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.base_url = f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> Self:
        self._listener.listen()
        self._thread = Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self.close()

    def close(self) -> None:
        """Free the port of a server that is not entered."""
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            try:
                with (
                    self._context.wrap_socket(connection, server_side=True) if self._context else connection as wrapped
                ):
                    self._respond(wrapped)
            except OSError:  # the client closed the connection or refused the certificate
                connection.close()

    def _respond(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as stream:
            # TLS begins with this byte, and a request with its method.
            if stream.peek(1)[:1] in {b"", b"\x16"}:
                return
            first = stream.readline().decode()
            headers = {name.lower(): value for name, value in parse_headers(stream).items()}
            body = stream.read(int(headers.get("content-length", 0)))
        method, path, _ = first.split()
        request = Request(method, path, headers, body)
        self.requests.append(request)
        responder = self._responders.pop(0) if len(self._responders) > 1 else self._responders[0]
        responder(connection, request)
