"""A provider over real connections that counts its bills and fails as a script says.

The stand-in draws and checks. This provider responds in well under a millisecond, which thousands of schedules need.
"""

import socket
from collections.abc import Callable

from tests.proof.faults import Kind
from tests.provider_server import PICTURE, ProviderServer, Request, message, picture_document

Script = Callable[[str], Kind | None]
"""Takes the method of a request (POST or GET) and returns its fault."""

UNBILLED = frozenset({Kind.ERROR, Kind.RATE_LIMITED, Kind.UNAUTHORIZED, Kind.CLOSED, Kind.DIES_BEFORE})
SILENT = frozenset({Kind.CLOSED, Kind.LOST, Kind.DIES_BEFORE, Kind.DIES_AFTER, Kind.OUT_OF_TIME})
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
        self.begin(lambda _: None, by_url=False)

    def begin(self, script: Script, *, by_url: bool) -> None:
        """Start counting anew. by_url: whether pictures are given by URL, as dall-e-3 did."""
        self._script = script
        self._by_url = by_url
        self.billed: list[bytes] = []
        self.requests.clear()

    def close(self) -> None:
        super().close()
        self._refusing.close()

    def _respond_by_script(self, connection: socket.socket, request: Request) -> None:
        kind = self._script(request.method)
        if request.method == "POST" and kind not in UNBILLED:
            self.billed.append(PICTURE + str(len(self.billed)).encode())
        if kind in SILENT:
            return
        status, document = ERRORS.get(kind, (200, None))
        content = message(status, document or self._picture(request), x_request_id=f"req_{len(self.billed)}")
        connection.sendall(content[: -len(PICTURE)] if kind is Kind.TRUNCATED else content)

    def _picture(self, request: Request) -> object:
        if request.method == "GET":
            return self.billed[int(request.path.rpartition("/")[2])]
        if self._by_url:
            return {"created": 1, "data": [{"url": f"{self.base_url}/pictures/{len(self.billed) - 1}"}]}
        return picture_document(self.billed[-1])
