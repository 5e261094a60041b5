"""Providers over real connections that count their bills and fail as a script says.

The stand-in draws and checks. These respond in well under a millisecond, which thousands of schedules need.
"""

import json
import socket
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from local.openai_stand_in.batches import Batches
from local.openai_stand_in.parameters import RefusalError
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


BATCH_SECONDS = 500.0
REFUSALS: Mapping[str, tuple[int, str | None]] = {
    "moderation": (400, "moderation_blocked"),
    "rejected": (400, "invalid_value"),
    "429": (429, "rate_limit_exceeded"),
    "500": (500, "server_error"),
    "502": (502, None),
    "quota": (429, "insufficient_quota"),
    "retired": (404, "model_not_found"),
}
"""The refusals of a request by the name in its prompt, or by its model."""
FAULTS = {"batch_lost": Kind.LOST, "batch_error": Kind.GATEWAY, "output_cut": Kind.TRUNCATED}
"""The stand-in's faults of a submission and of a download."""


class BatchProvider(CountingProvider):
    """Serves batches, which are those of the stand-in, and counts what it bills by prompt."""

    def start(self, script: Script, clock: Callable[[], float]) -> None:
        """Forget everything. clock: moves the batches."""
        self.begin(script)
        self.by_prompt: Counter[str] = Counter()
        self.pictures: dict[str, bytes] = {}
        self.batches = Batches(clock, self._make, lambda: BATCH_SECONDS)

    def live(self) -> int:
        """Return the number of batches of one file that may bill or have billed."""
        made = self.batches.batches.values()
        files = Counter(batch.input_file_id for batch in made if batch.status not in {"failed", "cancelled"})
        return max(files.values(), default=0)

    def _make(self, body: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        prompt = body["prompt"]
        for name, (status, code) in REFUSALS.items():
            if f"[{name}]" in prompt or name == body["model"]:
                return status, {"error": {"code": code, "type": "error", "message": "No."}}
        if "[no picture]" in prompt:
            return 200, {"created": 1, "data": []}
        self.by_prompt[prompt] += 1
        picture = PICTURE + f"{prompt} {self.by_prompt[prompt]}".encode()
        self.pictures[prompt] = picture
        return 200, picture_document(picture)

    def _name_of(self, request: Request) -> str:
        path, _, query = request.path.partition("?")
        last = path.rpartition("/")[2]
        names = {"generations": "images", "files": "upload", "content": "content", "cancel": "cancel"}
        if last in names:
            return names[last]
        return "create" if request.method == "POST" else "list" if query else "retrieve"

    def _effect(self, request: Request) -> tuple[int, object, Kind | None]:
        batches, parts = self.batches, request.path.split("/")
        status, fault = 200, ""
        body: object
        try:
            match self._name_of(request):
                case "images":
                    status, body = self._make(json.loads(request.body))
                case "upload" if "upload_quota" in batches.faults:
                    batches.faults.remove("upload_quota")
                    status, body = self._make({"prompt": "[quota]", "model": ""})
                case "upload":
                    body = batches.upload(_file_in(request.body), "batch")
                case "create":
                    body, fault = batches.create(json.loads(request.body))
                case "cancel":
                    body = batches.cancel(parts[-2])
                case "list":
                    body = batches.listed(100, None)
                case "content":
                    file = batches.content(parts[-2])
                    fault = file.fault if file.downloads == 1 else ""
                    body = file.content[: len(file.content) * 2 // 3] if fault == "output_truncated" else file.content
                case _:
                    body = batches.retrieve(parts[-1])
        except RefusalError as refusal:
            return refusal.status, refusal.body, None
        return status, body, FAULTS.get(fault)


def _file_in(body: bytes) -> bytes:
    """Return the file in a multipart body."""
    start = body.index(b"\r\n\r\n", body.index(b"filename=")) + 4
    return body[start : body.index(b"\r\n--", start)]
