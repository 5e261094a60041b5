"""A provider over real connections that counts its bills and fails as a script says.

The stand-in draws and checks. This provider responds in well under a millisecond, which thousands of schedules need.
"""

import base64
import json
import socket
from collections.abc import Callable
from threading import Thread
from typing import Self

from tests.proof.faults import Kind

PICTURE = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
USAGE = {"input_tokens": 9, "output_tokens": 439, "total_tokens": 448}

Script = Callable[[str], Kind | None]
"""Takes the method of a request (POST or GET) and returns its fault."""


class CountingProvider:
    """Listens on loopback, one connection at a time. ``refusing_url`` leads to a closed port."""

    def __init__(self, listener: socket.socket | None = None) -> None:
        self._listener = listener or socket.create_server(("127.0.0.1", 0))
        self._closed = socket.socket()
        self._closed.bind(("127.0.0.1", 0))
        self.base_url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"
        self.refusing_url = f"http://127.0.0.1:{self._closed.getsockname()[1]}/v1"
        self.begin(lambda _: None, by_url=False)

    def begin(self, script: Script, *, by_url: bool) -> None:
        """Start counting anew. by_url: whether pictures are given by URL, as dall-e-3 did."""
        self._script = script
        self._by_url = by_url
        self.billed: list[bytes] = []

    def __enter__(self) -> Self:
        self._listener.listen()
        self._thread = Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()
        self._closed.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                try:
                    self._answer(connection)
                except ConnectionError:  # the caller closed the connection
                    continue

    def _answer(self, connection: socket.socket) -> None:
        method, path, _ = receive(connection)
        kind = self._script(method)
        if method == "POST" and kind not in UNBILLED:
            self.billed.append(PICTURE + str(len(self.billed)).encode())
        if kind in SILENT:
            return
        status, document = ERRORS.get(kind, (200, None))
        content = json.dumps(document).encode() if document else self._picture(method, path)
        sent = content[: len(content) // 2] if kind is Kind.TRUNCATED else content
        head = f"HTTP/1.1 {status} -\r\nx-request-id: req_{len(self.billed)}\r\nContent-Length: {len(content)}\r\n\r\n"
        connection.sendall(head.encode() + sent)

    def _picture(self, method: str, path: str) -> bytes:
        if method == "GET":
            return self.billed[int(path.rpartition("/")[2])]
        if self._by_url:
            url = f"{self.base_url.removesuffix('/v1')}/pictures/{len(self.billed) - 1}"
            return json.dumps({"created": 1, "data": [{"url": url}]}).encode()
        encoded = base64.b64encode(self.billed[-1]).decode()
        return json.dumps({"created": 1, "data": [{"b64_json": encoded}], "usage": USAGE}).encode()


UNBILLED = frozenset({Kind.ERROR, Kind.RATE_LIMITED, Kind.UNAUTHORIZED, Kind.CLOSED, Kind.DIES_BEFORE})
SILENT = frozenset({Kind.CLOSED, Kind.LOST, Kind.DIES_BEFORE, Kind.DIES_AFTER, Kind.OUT_OF_TIME})
ERRORS: dict[Kind | None, tuple[int, object]] = {
    Kind.ERROR: (503, {"error": {"message": "Overloaded.", "type": "service_unavailable_error"}}),
    Kind.RATE_LIMITED: (429, {"error": {"message": "Too many.", "type": "requests", "code": "rate_limit_exceeded"}}),
    Kind.UNAUTHORIZED: (401, {"error": {"message": "No.", "type": "invalid_request_error", "code": "invalid_api_key"}}),
    Kind.GATEWAY: (502, "<html>Bad Gateway</html>"),
    Kind.GONE: (404, "<html>Not Found</html>"),
}


def receive(connection: socket.socket) -> tuple[str, str, bytes]:
    """Read one request whole; return its method, its path and its body."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += _more(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:])
    while len(body) < int(headers.get("content-length", 0)):
        body += _more(connection)
    method, path, _ = lines[0].split()
    return method, path, body


def _more(connection: socket.socket) -> bytes:
    received = connection.recv(65536)
    if not received:
        raise ConnectionError
    return received
