"""A provider over real connections that counts its bills and fails as a script says.

The stand-in draws and checks. This provider responds in well under a millisecond, which thousands of schedules need.
"""

import socket
from collections.abc import Callable

from tests.proof.faults import Kind
from tests.provider_server import PICTURE, ProviderServer, Request, message, picture_document

Script = Callable[[str], Kind | None]
"""Takes the name of a call and returns its fault."""

NO_EFFECT = {Kind.ERROR, Kind.RATE_LIMITED, Kind.UNAUTHORIZED, Kind.CLOSED, Kind.DIES_BEFORE, Kind.LATE}
SILENT = {Kind.CLOSED, Kind.LOST, Kind.LATE, Kind.DIES_BEFORE, Kind.DIES_AFTER, Kind.OUT_OF_TIME}
ERRORS: dict[Kind | None, tuple[int, object]] = {
    Kind.ERROR: (503, {"error": {"message": "Overloaded.", "type": "service_unavailable_error"}}),
    Kind.RATE_LIMITED: (429, {"error": {"message": "Too many.", "type": "requests", "code": "rate_limit_exceeded"}}),
    Kind.UNAUTHORIZED: (401, {"error": {"message": "No.", "type": "invalid_request_error", "code": "invalid_api_key"}}),
    Kind.GATEWAY: (502, "<html>Bad Gateway</html>"),
    Kind.GONE: (404, "<html>Not Found</html>"),
}


class CountingProvider(ProviderServer):
    """Serves one connection at a time. ``refusing_url`` leads to a closed port."""

    def __init__(self) -> None:
        super().__init__(self._respond_by_script)
        self._refusing = ProviderServer()
        self.refusing_url = self._refusing.base_url
        self.begin(lambda _: None)

    def begin(self, script: Script, *, by_url: bool = False) -> None:
        """Start counting anew. by_url: whether pictures are given by URL, as dall-e-3 did."""
        self._script = script
        self._by_url = by_url
        self.billed: list[bytes] = []
        self.late: list[Callable[[], object]] = []
        """Effects that come after the end of an invocation."""
        self.requests.clear()

    def close(self) -> None:
        super().close()
        self._refusing.close()

    def _respond_by_script(self, connection: socket.socket, request: Request) -> None:
        kind = self._script(self._name_of(request))
        status, body = 200, None
        if kind is Kind.LATE:
            self.late.append(lambda: self._effect(request))
        if kind not in NO_EFFECT:
            status, body, own = self._effect(request)
            kind = kind or own
        if kind in SILENT:
            return
        content = message(*ERRORS.get(kind, (status, body)), x_request_id=f"req_{len(self.billed)}")
        head, separator, sent = content.partition(b"\r\n\r\n")
        connection.sendall(head + separator + sent[: len(sent) // 2] if kind is Kind.TRUNCATED else content)

    def _name_of(self, request: Request) -> str:
        return request.method

    def _effect(self, request: Request) -> tuple[int, object, Kind | None]:
        """Serve a request. Return the status, the body, and the provider's own fault."""
        if request.method == "GET":
            return 200, self.billed[int(request.path.rpartition("/")[2])], None
        self.billed.append(PICTURE + str(len(self.billed)).encode())
        if self._by_url:
            url = f"{self.base_url}/pictures/{len(self.billed) - 1}"
            return 200, {"created": 1, "data": [{"url": url}]}, None
        return 200, picture_document(self.billed[-1]), None
