"""A provider of batches over real connections, which fails as a script says. Its batches are those of the stand-in."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from local.openai_stand_in.batches import Batches
from local.openai_stand_in.parameters import RefusalError
from tests.proof.faults import Kind
from tests.proof.provider import CountingProvider, Script
from tests.provider_server import PICTURE, Request, picture_document

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
    """Counts what it bills by prompt."""

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
