"""A provider of batches over real connections, which fails as a script says. Its batches are those of the stand-in."""

import json
import socket
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from local.openai_stand_in.batches import Batches
from local.openai_stand_in.parameters import RefusalError
from tests.proof.faults import Kind
from tests.proof.provider import ERRORS, SILENT, CountingProvider
from tests.provider_server import PICTURE, Request, message, picture_document

BATCH_SECONDS = 500.0
NO_EFFECT = frozenset({Kind.ERROR, Kind.RATE_LIMITED, Kind.UNAUTHORIZED, Kind.CLOSED, Kind.DIES_BEFORE, Kind.LATE})


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


class BatchProvider(CountingProvider):
    """Counts what it bills by prompt."""

    def start(self, script: Callable[[str], Kind | None], clock: Callable[[], float]) -> None:
        """Forget everything. clock: moves the batches."""
        self._script = script
        self.by_prompt: Counter[str] = Counter()
        self.pictures: dict[str, bytes] = {}
        self.late: list[Callable[[], object]] = []
        """Effects that come after the end of an invocation."""
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

    def _respond_by_script(self, connection: socket.socket, request: Request) -> None:
        path, body = request.path, request.body
        name = name_of(request.method, path)
        kind = self._script(name)
        status, content = ERRORS.get(kind, (200, None))
        if kind is Kind.LATE:
            self.late.append(lambda: self._effect(name, path, body))
        if kind not in NO_EFFECT:
            effect_status, effect = self._effect(name, path, body)
            if content is None:
                status, content = effect_status, effect
        if kind in SILENT or kind is Kind.LATE:
            return
        payload = content if isinstance(content, bytes) else json.dumps(content).encode()
        fault = self._fault_of_download(name, path)
        if fault == "output_truncated":
            payload = payload[: len(payload) * 2 // 3]
        is_cut = kind is Kind.TRUNCATED or fault == "output_cut"
        sent = message(status, payload)
        connection.sendall(sent[: len(sent) - len(payload) // 2] if is_cut else sent)

    def _fault_of_download(self, name: str, path: str) -> str:
        file = self.batches.files.get(path.split("/")[-2]) if name == "content" else None
        return file.fault if file and file.downloads == 1 else ""

    def _effect(self, name: str, path: str, body: bytes) -> tuple[int, object]:
        parts, batches = path.split("/"), self.batches
        effects: dict[str, Callable[[], object]] = {
            "upload": lambda: batches.upload(_file_in(body), "batch"),
            "create": lambda: batches.create(json.loads(body))[0],
            "cancel": lambda: batches.cancel(parts[-2]),
            "retrieve": lambda: batches.retrieve(parts[-1]),
            "list": lambda: batches.listed(100, None),
            "content": lambda: batches.content(parts[-2]).content,
        }
        if name == "images":
            return self._make(json.loads(body))
        try:
            return 200, effects[name]()
        except RefusalError as refusal:
            return refusal.status, refusal.body


def _file_in(body: bytes) -> bytes:
    """Return the file in a multipart body."""
    start = body.index(b"\r\n\r\n", body.index(b"filename=")) + 4
    return body[start : body.index(b"\r\n--", start)]


def name_of(method: str, path: str) -> str:
    """Return the name of a call to the provider."""
    if path.endswith("/content"):
        return "content"
    if path.endswith("/cancel"):
        return "cancel"
    if path.endswith("/files"):
        return "upload"
    if path.endswith("/images/generations"):
        return "images"
    if method == "POST":
        return "create"
    return "list" if "/batches?" in path else "retrieve"
