"""OpenAI's Batch API: files and batches of requests for pictures, at half the price.

https://developers.openai.com/api/docs/guides/batch. A batch has no idempotency key either, but the list of batches
contains each batch with its input file. So a submission whose response was lost can be found.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from tempfile import TemporaryFile
from typing import Any, NamedTuple
from uuid import uuid4

from urllib3.filepost import encode_multipart_formdata

from generate_image.credentials import Credentials
from generate_image.deadline import Deadline
from generate_image.errors import (
    GenerateImageError,
    OutcomeUnknownError,
    ProviderResponseError,
    ProviderUnavailableError,
)
from generate_image.provider.batch_file import Line, file_lines
from generate_image.provider.connection import NO_RESPONSE, ProviderResponse, post, request
from generate_image.provider.errors import BAD_REQUEST, INTERNAL_SERVER_ERROR, NOT_FOUND, NoSuchModelError, to_error

ENDPOINT = "/v1/images/generations"
REQUEST_SECONDS = 60.0
"""The longest time of a call that does not read a file."""
KEPT_SECONDS = 14 * 86_400
"""The lifetime of the files at the provider: as long as a failed execution can be redriven."""
PAGE = 100
MOST_PAGES = 500
OLDER_SECONDS = 86_400
"""The order of the list is not documented. The search ends at a page of batches that are all older by so much."""
CONFLICT = 409


class FileNotReadyError(Exception):
    """The provider does not find a file that was just uploaded.

    https://github.com/bespokelabsai/curator/issues/116
    """


class Batch(NamedTuple):
    """A batch. codes: of its errors, if it failed. created_at: seconds since the epoch. completed: requests."""

    id: str
    status: str
    input_file_id: str
    output_file_id: str | None
    error_file_id: str | None
    codes: frozenset[str]
    created_at: float
    completed: int


class BatchApi:
    """Calls the API. Each method raises the errors of ``to_error``, and ProviderUnavailableError without a response."""

    def __init__(self, base_url: str, deadline: Deadline) -> None:
        """base_url: of the provider, for credentials that name no other."""
        self._base_url = base_url
        self._deadline = deadline

    def upload(self, lines: Iterable[bytes], credentials: Credentials) -> str:
        """Store a file of requests and return its id. A repetition leaves a file that costs nothing and expires.

        lines: of the file. They pass through a temporary file, so the memory holds one of them.
        """
        fields: dict[str, str | bytes | tuple[str, str | bytes, str]] = {
            "purpose": "batch",
            "expires_after[anchor]": "created_at",
            "expires_after[seconds]": str(KEPT_SECONDS),
            "file": ("requests.jsonl", b"", "application/jsonl"),
        }
        boundary = uuid4().hex
        envelope, content_type = encode_multipart_formdata(fields, boundary)
        end = f"\r\n--{boundary}--\r\n".encode()
        with TemporaryFile() as body:
            body.write(envelope.removesuffix(end))
            body.writelines(lines)
            body.write(end)
            body.seek(0)
            url = f"{self._url(credentials)}/files"
            document = self._json(
                lambda: request("POST", url, credentials, self._limited(), body=body, content_type=content_type)
            )
        return _id(document)

    def create(self, file_id: str, metadata: Mapping[str, str], credentials: Credentials, *, model: str) -> Batch:
        """Submit a batch, once. model: that of the requests.

        Raises OutcomeUnknownError if the batch may exist: no response came, or a 5xx. Raises FileNotReadyError and
        NoSuchModelError.
        """
        body = {
            "input_file_id": file_id,
            "endpoint": ENDPOINT,
            "completion_window": "24h",
            "metadata": dict(metadata),
            "output_expires_after": {"anchor": "created_at", "seconds": KEPT_SECONDS},
        }
        url = f"{self._url(credentials)}/batches"
        try:
            response = post(url, credentials, json.dumps(body).encode(), self._limited())
            if response.status >= INTERNAL_SERVER_ERROR:
                raise OutcomeUnknownError(f"The provider failed (HTTP {response.status}): the batch may exist.")
            if _is_missing_file(response):
                raise FileNotReadyError
            return _batch(_document(response, self._deadline.clock(), model))
        except ProviderResponseError as error:
            raise OutcomeUnknownError("The provider's response names no batch: it may exist.") from error

    def retrieve(self, batch_id: str, credentials: Credentials) -> Batch:
        """Return the batch as it is now."""
        url = f"{self._url(credentials)}/batches/{batch_id}"
        return _batch(self._json(lambda: request("GET", url, credentials, self._limited())))

    def find(self, file_id: str, since: float, credentials: Credentials) -> list[Batch]:
        """Return the batches of an input file, the oldest first. since: no such batch was created earlier."""
        found: dict[str, Batch] = {}
        after = ""
        for _ in range(MOST_PAGES):
            url = f"{self._url(credentials)}/batches?limit={PAGE}{after}"
            page = self._json(partial(request, "GET", url, credentials, self._limited()))
            batches = [_batch(entry) for entry in _list(page)]
            found |= {batch.id: batch for batch in batches if batch.input_file_id == file_id}
            is_older = all(batch.created_at < since - OLDER_SECONDS for batch in batches)
            if not page.get("has_more") or not batches or is_older:
                return sorted(found.values(), key=lambda batch: (batch.created_at, batch.id))
            after = f"&after={batches[-1].id}"
        raise ProviderUnavailableError(f"The provider's list of batches has more than {PAGE * MOST_PAGES} entries.")

    def cancel(self, batch_id: str, credentials: Credentials) -> None:
        """Cancel a batch. A batch that has ended stays as it is."""
        url = f"{self._url(credentials)}/batches/{batch_id}/cancel"
        response = self._response(lambda: request("POST", url, credentials, self._limited(), body=b"{}"))
        if not response.is_success and response.status not in {BAD_REQUEST, NOT_FOUND, CONFLICT}:
            raise _error(response, self._deadline.clock())

    def lines(self, file_id: str, credentials: Credentials, *, offset: int = 0) -> Iterator[Line]:
        """Yield the lines of a file from a position on. Raises as ``file_lines`` does."""
        url = f"{self._url(credentials)}/files/{file_id}/content"
        return file_lines(url, credentials, self._deadline.remaining, offset=offset)

    def _url(self, credentials: Credentials) -> str:
        return credentials.base_url or self._base_url

    def _limited(self) -> Callable[[], float]:
        clock = self._deadline.clock
        end = min(self._deadline.at, clock() + REQUEST_SECONDS)
        return lambda: max(0.0, end - clock())

    def _response(self, send: Callable[[], ProviderResponse]) -> ProviderResponse:
        try:
            return send()
        except NO_RESPONSE as error:
            raise ProviderUnavailableError(f"The provider did not respond ({type(error).__name__}).") from error

    def _json(self, send: Callable[[], ProviderResponse]) -> dict[str, Any]:
        response = self._response(send)
        if response.status >= INTERNAL_SERVER_ERROR:
            raise ProviderUnavailableError(f"The provider failed (HTTP {response.status}). Try again later.")
        return _document(response, self._deadline.clock(), "")


def _error(response: ProviderResponse, now: float) -> GenerateImageError:
    error = to_error(response, model="", now=now)
    return (
        ProviderUnavailableError("The provider knows no such model.") if isinstance(error, NoSuchModelError) else error
    )


def _document(response: ProviderResponse, now: float, model: str) -> dict[str, Any]:
    if not response.is_success:
        raise to_error(response, model=model, now=now)
    try:
        document = json.loads(response.content)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise ProviderResponseError("The provider's response is no JSON object.")
    return document


def _id(document: Mapping[str, Any]) -> str:
    found = document.get("id")
    if not isinstance(found, str) or not found:
        raise ProviderResponseError("The provider's response has no id.")
    return found


def _list(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    entries = document.get("data")
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def _batch(document: Mapping[str, Any]) -> Batch:
    errors, counts = document.get("errors"), document.get("request_counts")
    codes = {error.get("code") for error in _list(errors)} if isinstance(errors, dict) else set()
    completed = counts.get("completed") if isinstance(counts, dict) else 0
    created = document.get("created_at")
    return Batch(
        id=_id(document),
        status=str(document.get("status")),
        input_file_id=str(document.get("input_file_id")),
        output_file_id=document.get("output_file_id") or None,
        error_file_id=document.get("error_file_id") or None,
        codes=frozenset(code for code in codes if isinstance(code, str)),
        created_at=float(created) if isinstance(created, int | float) else 0.0,
        completed=completed if isinstance(completed, int) else 0,
    )


def _is_missing_file(response: ProviderResponse) -> bool:
    if response.status not in {BAD_REQUEST, NOT_FOUND}:
        return False
    try:
        error = json.loads(response.content)["error"]
        return error.get("param") in {"file_id", "input_file_id"} or "cannot find file" in str(error["message"]).lower()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return False
