"""The Batch API: files, batches and their states. The routes: batches_api.py.

Sources: OpenAI's batch guide and API reference, and the public issues that docs/batches.md names. A batch goes through
its states as the clock moves: a tenth of its time is its validation.
"""

from __future__ import annotations

import json
import random
import secrets
from collections import deque
from dataclasses import dataclass, field
from io import BytesIO
from threading import RLock
from typing import TYPE_CHECKING, Any

from .parameters import RefusalError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

WINDOW_SECONDS = 86_400
MOST_REQUESTS = 50_000
VALIDATION, FINALIZATION = 0.1, 0.9
"""Shares of a batch's time: the end of its validation, the begin of its finalization."""
ENDPOINT = "/v1/images/generations"
BATCH_FAULTS = {
    "token_limit_exceeded": "the queue of prompt tokens is full: the batch fails its validation",
    "batch_model_not_found": "the batch fails its validation, because its model does not exist",
    "file_not_found": "400, although the file was just uploaded",
    "batch_rate_limit": "429: too many batches an hour",
    "batch_lost": "the batch is made, and the connection closes without a response",
    "batch_error": "the batch is made, and a gateway responds with 502",
    "no_output_file": "completed without an output file and without an error file",
    "output_truncated": "the first download of the output ends in the middle, without an error",
    "output_cut": "the first download of the output ends in the middle; the connection closes",
    "never_ends": "the requests are not executed before the window ends",
}
LINE_FAULTS = {
    "line_expired": "the batch ends before this request is executed",
    "line_missing": "the request is executed, and in neither file",
    "line_twice": "its line is in the output twice, with two pictures; one is billed",
    "line_malformed": "its line is cut in the middle",
    "line_failed": "an error line without a response",
}
"""`[name]` in a prompt provokes the fault of its line."""


@dataclass
class StoredFile:
    """A file. downloads: so far. fault: of its first download."""

    id: str
    purpose: str
    content: bytes
    created_at: int
    downloads: int = 0
    fault: str = ""


@dataclass
class Batch:
    """A batch. ends_at: on the clock, when its requests are executed; None: never."""

    id: str
    input_file_id: str
    created_at: float
    ends_at: float | None
    metadata: Mapping[str, str]
    requests: list[dict[str, Any]]
    fault: str = ""
    status: str = "validating"
    codes: tuple[str, ...] = ()
    output_file_id: str | None = None
    error_file_id: str | None = None
    completed: int = 0
    cancelled: bool = False


@dataclass(eq=False)
class Batches:
    """Every file and batch of a stand-in.

    clock: returns seconds since the epoch. make: executes the body of a request, bills it, and returns the response's
    status and body. seconds: that a batch takes. faults: of the next submissions, names in BATCH_FAULTS; an empty name
    is none. takes_ranges: whether a file can be read from a position on, which OpenAI does not document.
    """

    clock: Callable[[], float]
    make: Callable[[Mapping[str, Any]], tuple[int, dict[str, Any]]]
    seconds: Callable[[], float]
    batches: dict[str, Batch] = field(default_factory=dict)
    files: dict[str, StoredFile] = field(default_factory=dict)
    faults: deque[str] = field(default_factory=deque)
    takes_ranges: bool = False

    def __post_init__(self) -> None:
        self._lock = RLock()
        self._random = random.Random(4711)

    def upload(self, content: bytes, purpose: str) -> dict[str, Any]:
        """Keep a file and return its description."""
        with self._lock:
            return _file(self._keep(content, purpose))

    def create(self, document: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
        """Make a batch. Returns it and the fault of its response. Raises RefusalError."""
        with self._lock:
            fault = self.faults.popleft() if self.faults else ""
            file = self.files.get(str(document.get("input_file_id")))
            if file is None or fault == "file_not_found":
                message = f"Cannot find file {document.get('input_file_id')}, or it is not accessible."
                raise RefusalError(message, param="file_id")
            if fault == "batch_rate_limit":
                raise RefusalError("Too many batches.", status=429, code="rate_limit_exceeded", kind="requests")
            if document.get("endpoint") != ENDPOINT or document.get("completion_window") != "24h":
                raise RefusalError("Invalid 'endpoint' or 'completion_window'.", code="invalid_value")
            requests = [json.loads(line) for line in file.content.splitlines() if line.strip()]
            now = self.clock()
            batch = Batch(
                id=f"batch_{secrets.token_hex(12)}",
                input_file_id=file.id,
                created_at=now,
                ends_at=None if fault == "never_ends" else now + self.seconds(),
                metadata=dict(document.get("metadata") or {}),
                requests=requests,
                fault=fault,
                codes=_codes(requests, fault),
            )
            self.batches[batch.id] = batch
            return _batch(batch), fault

    def retrieve(self, batch_id: str) -> dict[str, Any]:
        """Return a batch in its present state."""
        with self._lock:
            batch = self._found(batch_id)
            self._advance(batch)
            return _batch(batch)

    def listed(self, limit: int, after: str | None) -> dict[str, Any]:
        """Return a page of batches, the newest first."""
        with self._lock:
            ordered = list(reversed(self.batches.values()))
            start = next((place + 1 for place, batch in enumerate(ordered) if batch.id == after), 0)
            page = ordered[start : start + limit]
            for batch in page:
                self._advance(batch)
            return {
                "object": "list",
                "data": [_batch(batch) for batch in page],
                "first_id": page[0].id if page else None,
                "last_id": page[-1].id if page else None,
                "has_more": start + limit < len(ordered),
            }

    def cancel(self, batch_id: str) -> dict[str, Any]:
        """Cancel a batch. What was not executed is not billed. Raises RefusalError if it has ended."""
        with self._lock:
            batch = self._found(batch_id)
            self._advance(batch)
            if batch.status in {"completed", "failed", "expired", "cancelled"}:
                raise RefusalError(f"Cannot cancel a batch with status '{batch.status}'.", status=409)
            batch.status, batch.cancelled = "cancelled", True
            return _batch(batch)

    def content(self, file_id: str) -> StoredFile:
        """Return a file to download. Raises RefusalError."""
        with self._lock:
            file = self.files.get(file_id)
            if file is None:
                raise RefusalError(f"No such File object: {file_id}", status=404, param="id")
            file.downloads += 1
            return file

    def _found(self, batch_id: str) -> Batch:
        batch = self.batches.get(batch_id)
        if batch is None:
            raise RefusalError(f"No batch found with id '{batch_id}'.", status=404)
        return batch

    def _keep(self, content: bytes, purpose: str, fault: str = "") -> StoredFile:
        stored = StoredFile(f"file-{secrets.token_hex(12)}", purpose, content, int(self.clock()), fault=fault)
        self.files[stored.id] = stored
        return stored

    def _advance(self, batch: Batch) -> None:
        """Move a batch to the state that the clock demands."""
        if batch.status not in {"validating", "in_progress", "finalizing"}:
            return
        elapsed, now = self.clock() - batch.created_at, self.clock()
        if batch.ends_at is None or batch.ends_at > batch.created_at + WINDOW_SECONDS:
            is_expired, share = elapsed >= WINDOW_SECONDS, min(FINALIZATION - 0.01, elapsed / WINDOW_SECONDS)
        else:
            seconds = batch.ends_at - batch.created_at
            is_expired, share = False, 1.0 if now >= batch.ends_at else elapsed / seconds
        if batch.codes and (share >= VALIDATION or is_expired):
            batch.status = "failed"
        elif is_expired:
            self._execute(batch, is_expired=True)
            batch.status = "expired"
        elif share >= 1:
            self._execute(batch, is_expired=False)
            batch.status = "completed"
        elif share >= VALIDATION:
            batch.status = "finalizing" if share >= FINALIZATION else "in_progress"

    def _execute(self, batch: Batch, *, is_expired: bool) -> None:
        """Execute the requests and write the two files. The order of the output is not that of the input."""
        output, errors = BytesIO(), BytesIO()
        shuffled = self._random.sample(batch.requests, len(batch.requests))
        for request in shuffled:
            for is_error, line in self._lines(request, is_expired=is_expired):
                (errors if is_error else output).write(line)
                batch.completed += not is_error
        if batch.fault == "no_output_file":
            return
        if output.tell():
            batch.output_file_id = self._keep(output.getvalue(), "batch_output", batch.fault).id
        if errors.tell():
            batch.error_file_id = self._keep(errors.getvalue(), "batch_output").id

    def _lines(self, request: Mapping[str, Any], *, is_expired: bool) -> Iterator[tuple[bool, bytes]]:
        """Yield the lines of one request, and whether each belongs to the error file."""
        prompt, custom_id = str(request["body"].get("prompt")), request["custom_id"]
        fault = next((name for name in LINE_FAULTS if f"[{name}]" in prompt), "")
        if is_expired or fault == "line_expired":
            message = "This request could not be executed before the completion window expired."
            yield True, _line(custom_id, None, {"code": "batch_expired", "message": message})
            return
        if fault == "line_failed":
            message = "An error occurred while processing your request."
            yield True, _line(custom_id, None, {"code": None, "message": message})
            return
        status, body = self.make(request["body"])
        request_id = f"req_{secrets.token_hex(12)}"
        line = _line(custom_id, {"status_code": status, "request_id": request_id, "body": body}, None)
        if fault == "line_malformed":
            line = line[: len(line) // 2] + b"\n"
        if fault != "line_missing":
            yield status != 200, line  # noqa: PLR2004
        if fault == "line_twice":
            yield status != 200, line  # noqa: PLR2004


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
        "too_many_requests": len(requests) > MOST_REQUESTS,
    }
    return tuple(code for code, is_wrong in found.items() if is_wrong)


def _line(custom_id: str, response: object, error: object) -> bytes:
    line = {"id": f"batch_req_{secrets.token_hex(12)}", "custom_id": custom_id, "response": response, "error": error}
    return json.dumps(line).encode() + b"\n"


def _file(file: StoredFile) -> dict[str, Any]:
    return {
        "id": file.id,
        "object": "file",
        "bytes": len(file.content),
        "created_at": file.created_at,
        "filename": "requests.jsonl",
        "purpose": file.purpose,
        "status": "processed",
    }


def _batch(batch: Batch) -> dict[str, Any]:
    is_failed = batch.status == "failed"
    errors = [{"code": code, "message": code, "line": None, "param": None} for code in batch.codes]
    total = len(batch.requests)
    ended = batch.status in {"completed", "expired"}
    return {
        "id": batch.id,
        "object": "batch",
        "endpoint": ENDPOINT,
        "errors": {"object": "list", "data": errors} if is_failed else None,
        "input_file_id": batch.input_file_id,
        "completion_window": "24h",
        "status": batch.status,
        "output_file_id": batch.output_file_id,
        "error_file_id": batch.error_file_id,
        "created_at": int(batch.created_at),
        "expires_at": int(batch.created_at) + WINDOW_SECONDS,
        "request_counts": {
            "total": total,
            "completed": batch.completed,
            "failed": total - batch.completed if ended else 0,
        },
        "metadata": dict(batch.metadata),
    }
