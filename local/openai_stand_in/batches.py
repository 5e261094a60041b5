"""The Batch API: files, batches and their states. The routes: batches_api.py.

Sources: OpenAI's batch guide and API reference, and the public issues that docs/batches.md names. A batch goes through
its states as the clock moves: a tenth of its time is its validation.
"""

from __future__ import annotations

import json
import secrets
from collections import deque
from dataclasses import dataclass, field
from io import BytesIO
from threading import RLock
from typing import TYPE_CHECKING, Any

from .faults import names_in
from .parameters import RefusalError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

WINDOW_SECONDS = 86_400
VALIDATION, FINALIZATION = 0.1, 0.9
"""Shares of a batch's time: the end of its validation, the begin of its finalization."""
ENDPOINT = "/v1/images/generations"
OK = 200
LINE_ERRORS = {
    "line_expired": {"code": "batch_expired", "message": "The completion window expired before this request."},
    "line_failed": {"code": None, "message": "An error occurred while processing your request."},
}
"""`[name]` in a prompt: the request is not executed, and has this error without a response."""
LINE_FAULTS: Mapping[str, Callable[[bytes], bytes]] = {
    "line_missing": lambda _: b"",
    "line_malformed": lambda line: line[: len(line) // 2] + b"\n",
    "line_twice": lambda line: line * 2,
}
"""`[name]` in a prompt: the request is executed and billed once, and this becomes of its line."""


@dataclass
class StoredFile:
    """A file. downloads: so far. fault: of its first download."""

    id: str
    purpose: str
    content: bytes
    downloads: int = 0
    fault: str = ""


@dataclass
class Batch:
    """A batch. seconds: from its creation to the execution of its requests. codes: the errors of its validation."""

    id: str
    input_file_id: str
    created_at: float
    seconds: float
    metadata: Mapping[str, str]
    requests: list[dict[str, Any]]
    codes: tuple[str, ...]
    fault: str
    status: str = "validating"
    output_file_id: str | None = None
    error_file_id: str | None = None
    completed: int = 0


@dataclass(eq=False)
class Batches:
    """Every file and batch of a stand-in.

    clock: returns seconds since the epoch. make: executes the body of a request, bills it, and returns the response's
    status and body. seconds: that a batch takes. faults: of the next submissions; an empty name is none.

    - file_not_found: 400, although the file was just uploaded.
    - token_limit_exceeded, batch_model_not_found: the batch fails its validation.
    - batch_lost, batch_error: the batch is made; the connection closes, or a gateway responds with 502.
    - never_ends: the requests are not executed before the window ends.
    - no_output_file: completed without an output file and without an error file.
    - output_cut: the connection closes in the middle of the first download of the output.
    """

    clock: Callable[[], float]
    make: Callable[[Mapping[str, Any]], tuple[int, dict[str, Any]]]
    seconds: Callable[[], float]
    batches: dict[str, Batch] = field(default_factory=dict)
    files: dict[str, StoredFile] = field(default_factory=dict)
    faults: deque[str] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self._lock = RLock()

    def upload(self, content: bytes, purpose: str, fault: str = "") -> dict[str, Any]:
        """Keep a file and return its description."""
        file = StoredFile(f"file-{secrets.token_hex(12)}", purpose, content, fault=fault)
        with self._lock:
            self.files[file.id] = file
        return {
            "id": file.id,
            "object": "file",
            "bytes": len(content),
            "created_at": int(self.clock()),
            "filename": "requests.jsonl",
            "purpose": purpose,
        }

    def create(self, document: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
        """Make a batch. Returns it and the fault of its response. Raises RefusalError."""
        with self._lock:
            fault = self.faults.popleft() if self.faults else ""
            file = self.files.get(str(document.get("input_file_id")))
            if file is None or fault == "file_not_found":
                message = f"Cannot find file {document.get('input_file_id')}, or it is not accessible."
                raise RefusalError(message, param="file_id")
            if document.get("endpoint") != ENDPOINT or document.get("completion_window") != "24h":
                raise RefusalError("Invalid 'endpoint' or 'completion_window'.", code="invalid_value")
            requests = [json.loads(line) for line in file.content.splitlines() if line.strip()]
            batch = Batch(
                id=f"batch_{secrets.token_hex(12)}",
                input_file_id=file.id,
                created_at=self.clock(),
                seconds=2 * WINDOW_SECONDS if fault == "never_ends" else self.seconds(),
                metadata=dict(document.get("metadata") or {}),
                requests=requests,
                codes=_codes(requests, fault),
                fault=fault,
            )
            self.batches[batch.id] = batch
            return _described(batch), fault

    def retrieve(self, batch_id: str) -> dict[str, Any]:
        """Return a batch in its present state."""
        with self._lock:
            return _described(self._present(batch_id))

    def listed(self, limit: int, after: str | None) -> dict[str, Any]:
        """Return a page of batches, the newest first."""
        with self._lock:
            ordered = list(reversed(self.batches))
            start = ordered.index(after) + 1 if after in ordered else 0
            page = [_described(self._present(batch_id)) for batch_id in ordered[start : start + limit]]
            return {"object": "list", "data": page, "has_more": start + limit < len(ordered)}

    def cancel(self, batch_id: str) -> dict[str, Any]:
        """Cancel a batch. What was not executed is not billed. Raises RefusalError if it has ended."""
        with self._lock:
            batch = self._present(batch_id)
            if batch.status in {"completed", "failed", "expired", "cancelled"}:
                raise RefusalError(f"Cannot cancel a batch with status '{batch.status}'.", status=409)
            batch.status = "cancelled"
            return _described(batch)

    def content(self, file_id: str) -> StoredFile:
        """Return a file to download. Raises RefusalError."""
        with self._lock:
            file = self.files.get(file_id)
            if file is None:
                raise RefusalError(f"No such File object: {file_id}", status=404, param="id")
            file.downloads += 1
            return file

    def _present(self, batch_id: str) -> Batch:
        """Return a batch, moved to the state that the clock demands. Raises RefusalError."""
        batch = self.batches.get(batch_id)
        if batch is None:
            raise RefusalError(f"No batch found with id '{batch_id}'.", status=404)
        age = self.clock() - batch.created_at
        share = age / batch.seconds if batch.seconds else 1.0
        if batch.status not in {"validating", "in_progress", "finalizing"}:
            return batch
        if batch.codes and share >= VALIDATION:
            batch.status = "failed"
        elif share >= 1:
            self._execute(batch, is_expired=False)
            batch.status = "completed"
        elif age >= WINDOW_SECONDS:
            self._execute(batch, is_expired=True)
            batch.status = "expired"
        elif share >= VALIDATION:
            batch.status = "finalizing" if share >= FINALIZATION else "in_progress"
        return batch

    def _execute(self, batch: Batch, *, is_expired: bool) -> None:
        """Execute the requests and write the two files. The order of the output is not that of the input."""
        output, errors = BytesIO(), BytesIO()
        for request in reversed(batch.requests):
            is_completed, line = self._line(request, is_expired=is_expired)
            (output if is_completed else errors).write(line)
            batch.completed += is_completed
        if batch.fault == "no_output_file":
            return
        if output.tell():
            batch.output_file_id = self.upload(output.getvalue(), "batch_output", batch.fault)["id"]
        if errors.tell():
            batch.error_file_id = self.upload(errors.getvalue(), "batch_output")["id"]

    def _line(self, request: Mapping[str, Any], *, is_expired: bool) -> tuple[bool, bytes]:
        """Return whether a request was completed, and its line."""
        names = ["line_expired"] if is_expired else names_in(str(request["body"].get("prompt")))
        result: dict[str, Any] = {"id": f"batch_req_{secrets.token_hex(12)}", "custom_id": request["custom_id"]}
        error = next((LINE_ERRORS[name] for name in names if name in LINE_ERRORS), None)
        if error:
            return False, _line({**result, "response": None, "error": error})
        status, body = self.make(request["body"])
        response = {"status_code": status, "request_id": f"req_{secrets.token_hex(12)}", "body": body}
        line = _line({**result, "response": response, "error": None})
        for name in names:
            line = LINE_FAULTS.get(name, bytes)(line)
        return status == OK, line


def _line(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document).encode() + b"\n"


def _codes(requests: list[dict[str, Any]], fault: str) -> tuple[str, ...]:
    """Return the errors that the validation will find."""
    ids = [request.get("custom_id") for request in requests]
    models = {request.get("body", {}).get("model") for request in requests}
    found = {
        "token_limit_exceeded": fault == "token_limit_exceeded",
        "model_not_found": fault == "batch_model_not_found",
        "empty_file": not requests,
        "duplicate_custom_id": len(set(ids)) < len(ids),
        "mismatched_model": len(models) > 1,
        "invalid_url": any((request.get("method"), request.get("url")) != ("POST", ENDPOINT) for request in requests),
    }
    return tuple(code for code, is_wrong in found.items() if is_wrong)


def _described(batch: Batch) -> dict[str, Any]:
    """Return the JSON object of a batch."""
    errors = [{"code": code, "message": code, "line": None, "param": None} for code in batch.codes]
    total, has_ended = len(batch.requests), batch.status in {"completed", "expired"}
    return {
        "id": batch.id,
        "object": "batch",
        "endpoint": ENDPOINT,
        "errors": {"object": "list", "data": errors} if batch.status == "failed" else None,
        "input_file_id": batch.input_file_id,
        "completion_window": "24h",
        "status": batch.status,
        "output_file_id": batch.output_file_id,
        "error_file_id": batch.error_file_id,
        "created_at": int(batch.created_at),
        "request_counts": {
            "total": total,
            "completed": batch.completed,
            "failed": total - batch.completed if has_ended else 0,
        },
        "metadata": dict(batch.metadata),
    }
