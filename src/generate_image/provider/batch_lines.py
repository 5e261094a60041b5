"""The lines of a batch: requests in, pictures or errors out."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from generate_image.errors import (
    GenerateImageError,
    ProviderRejectedError,
    ProviderResponseError,
    ProviderUnavailableError,
)
from generate_image.picture import BATCH, BoughtPicture
from generate_image.provider.batch_api import ENDPOINT
from generate_image.provider.connection import ProviderResponse, valid_request_id
from generate_image.provider.errors import (
    BAD_REQUEST,
    INTERNAL_SERVER_ERROR,
    TOO_MANY_REQUESTS,
    NoSuchModelError,
    to_error,
)
from generate_image.provider.images_response import UNREADABLE, read_document, without_picture
from generate_image.provider.models import cost_usd

STATUS_OF_CODE = {
    "rate_limit_exceeded": TOO_MANY_REQUESTS,
    "token_limit_exceeded": TOO_MANY_REQUESTS,
    "server_error": INTERNAL_SERVER_ERROR,
}


class BatchedPicture(NamedTuple):
    """A bought picture and its bytes."""

    bought: BoughtPicture
    content: bytes


class LineResult(NamedTuple):
    """The result of one request. custom_id: that of the request."""

    custom_id: str
    outcome: BatchedPicture | GenerateImageError | NoSuchModelError


def request_lines(requests: Iterable[tuple[str, Mapping[str, Any]]]) -> Iterator[bytes]:
    """Yield the lines of a batch's input file. requests: an id, and the body of a request for one picture."""
    for custom_id, body in requests:
        line = {"custom_id": custom_id, "method": "POST", "url": ENDPOINT, "body": dict(body)}
        yield json.dumps(line).encode() + b"\n"


def read_line(line: bytes | bytearray, model: str) -> LineResult | None:
    """Return the result in a line of an output or error file; None if it is malformed. model: of the request."""
    try:
        document, encoded = without_picture(line, lambda whole: whole["response"]["body"])
        custom_id = document["custom_id"]
        if not isinstance(custom_id, str):
            return None
        return LineResult(custom_id, _outcome(document, encoded, model))
    except UNREADABLE:
        return None


def code_error(codes: Iterable[str], model: str) -> GenerateImageError | NoSuchModelError:
    """Return the error of a batch that failed its validation. Nothing was billed. codes: of its errors."""
    found = [to_error(_refusal(code), model=model, now=0.0) for code in sorted(codes)]
    if not found:
        return ProviderUnavailableError("The provider refused the batch and gave no reason; nothing was bought.")
    return next((error for error in found if isinstance(error, NoSuchModelError)), found[0])


def _outcome(
    document: Mapping[str, Any], encoded: bytes | memoryview | None, model: str
) -> BatchedPicture | GenerateImageError | NoSuchModelError:
    """Return the outcome in a line. Raises one of ``UNREADABLE`` for a line with neither a response nor an error."""
    response = document.get("response")
    if isinstance(response, dict):
        request_id = valid_request_id(response.get("request_id"))
        if response["status_code"] == 200:  # noqa: PLR2004
            return _picture(response.get("body") or {}, encoded, model, request_id)
        if response["status_code"] >= INTERNAL_SERVER_ERROR:
            # The status is the provider's own: no gateway writes into its files.
            return _failed(request_id)
        body = json.dumps(response.get("body")).encode()
        return to_error(ProviderResponse(response["status_code"], {}, body, request_id), model=model, now=0.0)
    code = document["error"].get("code")
    if isinstance(code, str) and code.startswith("batch_"):
        return ProviderUnavailableError("The batch ended before this picture was made; nothing was bought. Try again.")
    refused = to_error(_refusal(code), model=model, now=0.0)
    return _failed() if isinstance(refused, ProviderRejectedError) else refused


def _refusal(code: object) -> ProviderResponse:
    """Return an error code as the response that the Images API would give."""
    status = STATUS_OF_CODE.get(str(code), BAD_REQUEST)
    return ProviderResponse(status, {}, json.dumps({"error": {"code": code}}).encode(), None)


def _failed(request_id: str | None = None) -> ProviderUnavailableError:
    return ProviderUnavailableError(
        "The provider failed on this request and bought nothing. Try again later.", provider_request_id=request_id
    )


def _picture(
    body: Mapping[str, Any], encoded: bytes | memoryview | None, model: str, request_id: str | None
) -> BatchedPicture | GenerateImageError:
    try:
        images = read_document(body, encoded)
    except UNREADABLE:
        images = None
    if images is None or images.content is None:
        return ProviderResponseError(
            "The batch's line contains no picture. It may be billed.", provider_request_id=request_id
        )
    cost = cost_usd(model, images.usage, BATCH)
    return BatchedPicture(BoughtPicture(model, request_id, images.usage, cost, pricing=BATCH), images.content)
