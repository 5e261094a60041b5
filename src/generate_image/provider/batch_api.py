"""OpenAI's Batch API: files and batches of requests for pictures, at half the price.

https://developers.openai.com/api/docs/guides/batch. A batch has no idempotency key either, but the list of batches
contains each batch with its input file. So a submission whose response was lost can be found.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from tempfile import TemporaryFile
from typing import IO, Any
from uuid import uuid4

from urllib3.filepost import encode_multipart_formdata

from generate_image.credentials import Credentials
from generate_image.deadline import Deadline
from generate_image.errors import OutcomeUnknownError, ProviderResponseError, ProviderUnavailableError
from generate_image.provider.batch_file import Line, file_lines
from generate_image.provider.batch_response import (
    Batch,
    is_missing_file,
    read_batch,
    read_id,
    read_list,
    read_object,
)
from generate_image.provider.connection import NO_RESPONSE, ProviderResponse, request
from generate_image.provider.errors import BAD_REQUEST, INTERNAL_SERVER_ERROR, NOT_FOUND, to_error, to_unbilled_error
from generate_image.provider.post import post
from generate_image.provider.time_limit import at_most

ENDPOINT = "/v1/images/generations"
REQUEST_SECONDS = 60.0
"""The longest time of a call that does not read a file."""
KEPT_SECONDS = 14 * 86_400
"""The lifetime of the files at the provider: as long as a failed execution can be redriven."""
PAGE = 100
OLDER_SECONDS = 86_400
"""The order of the list is not documented. The search ends at a page of batches that are all older by so much."""
CONFLICT = 409


class FileNotReadyError(Exception):
    """The provider does not find a file that was just uploaded.

    https://github.com/bespokelabsai/curator/issues/116
    """


class BatchApi:
    """Calls the API.

    Each method but ``create`` raises the errors of ``to_unbilled_error``, ProviderUnavailableError if no response came,
    and ProviderResponseError if it has another form.
    """

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
            return read_id(self._json("POST", "files", credentials, body=body, content_type=content_type))

    def create(self, file_id: str, metadata: Mapping[str, str], credentials: Credentials, *, model: str) -> Batch:
        """Submit a batch, once. model: that of the requests.

        Raises OutcomeUnknownError if the batch may exist: no response came, or a 5xx, or one without a batch. Otherwise
        raises ProviderUnavailableError if nothing was sent, FileNotReadyError, and the errors of ``to_error``.
        """
        body = {
            "input_file_id": file_id,
            "endpoint": ENDPOINT,
            "completion_window": "24h",
            "metadata": dict(metadata),
            "output_expires_after": {"anchor": "created_at", "seconds": KEPT_SECONDS},
        }
        remaining = at_most(REQUEST_SECONDS, self._deadline)
        try:
            response = post(self._url("batches", credentials), credentials, json.dumps(body).encode(), remaining)
            if response.status >= INTERNAL_SERVER_ERROR:
                raise OutcomeUnknownError(f"The provider failed (HTTP {response.status}): the batch may exist.")
            if is_missing_file(response):
                raise FileNotReadyError
            if not response.is_success:
                raise to_error(response, model=model, now=self._deadline.clock())
            return read_batch(read_object(response))
        except ProviderResponseError as error:
            raise OutcomeUnknownError("The provider's response names no batch: it may exist.") from error

    def retrieve(self, batch_id: str, credentials: Credentials) -> Batch:
        """Return the batch as it is now."""
        return read_batch(self._json("GET", f"batches/{batch_id}", credentials))

    def find(self, file_id: str, since: float, credentials: Credentials) -> list[Batch]:
        """Return the batches of an input file, the oldest first. since: no such batch was created earlier."""
        found: dict[str, Batch] = {}
        after = ""
        while True:
            page = self._json("GET", f"batches?limit={PAGE}{after}", credentials)
            batches = [read_batch(entry) for entry in read_list(page)]
            found |= {batch.id: batch for batch in batches if batch.input_file_id == file_id}
            is_older = all(batch.created_at < since - OLDER_SECONDS for batch in batches)
            if not page.get("has_more") or not batches or is_older:
                return sorted(found.values(), key=lambda batch: (batch.created_at, batch.id))
            after = f"&after={batches[-1].id}"

    def cancel(self, batch_id: str, credentials: Credentials) -> None:
        """Cancel a batch. A batch that has ended stays as it is."""
        response = self._response("POST", f"batches/{batch_id}/cancel", credentials, body=b"{}")
        if not response.is_success and response.status not in {BAD_REQUEST, NOT_FOUND, CONFLICT}:
            raise to_unbilled_error(response, self._deadline.clock())

    def lines(self, file_id: str, credentials: Credentials, *, offset: int = 0) -> Iterator[Line]:
        """Yield the lines of a file from a position on. Raises as ``file_lines`` does."""
        url = self._url(f"files/{file_id}/content", credentials)
        return file_lines(url, credentials, self._deadline, offset=offset)

    def _url(self, path: str, credentials: Credentials) -> str:
        return f"{credentials.base_url or self._base_url}/{path}"

    def _json(self, method: str, path: str, credentials: Credentials, **body: Any) -> dict[str, Any]:  # noqa: ANN401
        """Return the JSON object of a response. body: as in ``_response``."""
        response = self._response(method, path, credentials, **body)
        if not response.is_success:
            raise to_unbilled_error(response, self._deadline.clock())
        return read_object(response)

    def _response(
        self,
        method: str,
        path: str,
        credentials: Credentials,
        *,
        body: IO[bytes] | bytes | None = None,
        content_type: str = "application/json",
    ) -> ProviderResponse:
        url, remaining = self._url(path, credentials), at_most(REQUEST_SECONDS, self._deadline)
        try:
            return request(method, url, credentials, remaining, body=body, content_type=content_type)
        except NO_RESPONSE as error:
            raise ProviderUnavailableError(f"The provider did not respond ({type(error).__name__}).") from error
