"""The meaning of the provider's error responses.

OpenAI documents ``error.code`` as the stable discriminator, but some responses have no code, and compatible hosts use
other shapes. So code, type and status are all read, and an unknown shape counts by its status alone.
"""

import json
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from generate_image.errors import (
    ContentRejectedError,
    GenerateImageError,
    OutcomeUnknownError,
    ProviderAuthError,
    ProviderRejectedError,
    ProviderUnavailableError,
    QuotaExhaustedError,
    RateLimitedError,
)
from generate_image.provider.connection import ProviderResponse

MONEY = frozenset({
    "insufficient_quota",
    "credit_balance_exhausted",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
    "billing_hard_limit_reached",
    "billing_not_active",
})  # fmt: skip
MODERATION = frozenset({
    "moderation_blocked",
    "content_policy_violation",
    "content_filter",
    "ResponsibleAIPolicyViolation",
})  # fmt: skip
NO_SUCH_MODEL = frozenset({"model_not_found", "DeploymentNotFound"})

BAD_REQUEST, UNAUTHORIZED, PAYMENT_REQUIRED, FORBIDDEN, NOT_FOUND = 400, 401, 402, 403, 404
REQUEST_TIMEOUT, TOO_MANY_REQUESTS, INTERNAL_SERVER_ERROR, SERVICE_UNAVAILABLE = 408, 429, 500, 503


class NoSuchModelError(Exception):
    """The provider does not know the model of the request. The next one in the list may be tried."""


def to_error(response: ProviderResponse, *, model: str, now: float) -> GenerateImageError | NoSuchModelError:
    """Return the error for a response that is no success.

    model: of the request. now: seconds since the epoch, for a Retry-After that is a date. Only a 4xx, or an error
    object with 500 or 503, proves that nothing was billed. A gateway's response proves nothing.
    """
    status, error = response.status, _error_object(response.content)
    details: dict[str, Any] = {"provider_request_id": response.request_id}
    if status in {INTERNAL_SERVER_ERROR, SERVICE_UNAVAILABLE} and error:
        return ProviderUnavailableError(
            f"The provider failed (HTTP {status}) and bought nothing. Try again later.",
            retry_after=_retry_after(response.headers, now),
            **details,
        )
    if not BAD_REQUEST <= status < INTERNAL_SERVER_ERROR or status == REQUEST_TIMEOUT:
        return OutcomeUnknownError(
            f"The request was sent and a gateway may have responded (HTTP {status}): the picture may be billed. Only a "
            "new idempotency key buys another.",
            **details,
        )
    return _refusal(response, error, model, now)


def to_unbilled_error(response: ProviderResponse, now: float) -> GenerateImageError:
    """Return the error for a response that is no success, to a call that buys nothing and names no model."""
    error = to_error(response, model="", now=now)
    if isinstance(error, OutcomeUnknownError | NoSuchModelError):
        return ProviderUnavailableError(
            f"The provider failed (HTTP {response.status}). Try again later.", provider_request_id=response.request_id
        )
    return error


def _refusal(
    response: ProviderResponse, error: Mapping[str, Any], model: str, now: float
) -> GenerateImageError | NoSuchModelError:
    """Return the error for a 4xx."""
    status, reasons = response.status, _reasons(error)
    details: dict[str, Any] = {"provider_request_id": response.request_id}
    if reasons & MONEY or status == PAYMENT_REQUIRED:
        return QuotaExhaustedError(
            "The provider's account has no money or quota left. Add credit or raise its limit, then try again.",
            **details,
        )
    if reasons & MODERATION or isinstance(error.get("moderation_details"), dict):
        categories = _categories(error)
        because = f" ({', '.join(categories)})" if categories else ""
        return ContentRejectedError(
            f"The provider's moderation rejected the request{because}. Change the prompt.",
            categories=categories,
            **details,
        )
    if status in {BAD_REQUEST, NOT_FOUND} and _is_no_such_model(error, reasons, model):
        return NoSuchModelError()
    return _refusal_by_status(response, error, details, now)


def _refusal_by_status(
    response: ProviderResponse, error: Mapping[str, Any], details: Mapping[str, Any], now: float
) -> GenerateImageError:
    status = response.status
    if status in {UNAUTHORIZED, FORBIDDEN}:
        return ProviderAuthError(
            f"The provider refuses the API key (HTTP {status}). Check that it is valid, that it may create images, "
            "and that its organization is verified for the model.",
            **details,
        )
    if status == TOO_MANY_REQUESTS:
        return RateLimitedError(
            "The provider's rate limit is reached; nothing was bought. Try again later.",
            retry_after=_retry_after(response.headers, now),
            **details,
        )
    # The provider's message and param are left out: they may quote the prompt.
    code = error.get("code")
    known = f", {code}" if isinstance(code, str) and re.fullmatch(r"[\w.-]{1,64}", code, re.ASCII) else ""
    return ProviderRejectedError(
        f"The provider refused the request (HTTP {status}{known}); nothing was bought. Its support can explain why.",
        **details,
    )


def _error_object(content: bytes | bytearray) -> Mapping[str, Any]:
    """Return the error object of a body, which may be anything; empty if there is none."""
    try:
        parsed = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    error = parsed.get("error") if isinstance(parsed, dict) else None
    return error if isinstance(error, dict) else {}


def _reasons(error: Mapping[str, Any]) -> frozenset[str]:
    """Return code, type, and Azure's inner code."""
    inner = error.get("inner_error")
    words = [error.get("code"), error.get("type"), inner.get("code") if isinstance(inner, dict) else None]
    return frozenset(word for word in words if isinstance(word, str))


def _is_no_such_model(error: Mapping[str, Any], reasons: frozenset[str], model: str) -> bool:
    """Return whether the error is about the model of the request, not about a prompt that the message quotes.

    Observed: 400 "The model 'dall-e-3' does not exist.", and 404 ``model_not_found`` elsewhere.
    """
    if reasons & NO_SUCH_MODEL:
        return True
    message, param = error.get("message"), error.get("param")
    if not isinstance(message, str) or param not in (None, "", "model"):
        return False
    find = re.search if param == "model" else re.match
    return bool(find(rf"(the )?model ['\"`]{re.escape(model)}['\"`] does not exist", message, re.IGNORECASE))


def _categories(error: Mapping[str, Any]) -> list[str]:
    details = error.get("moderation_details")
    listed = details.get("categories") if isinstance(details, dict) else None
    if not isinstance(listed, list):
        return []
    return [name for name in listed if isinstance(name, str) and re.fullmatch(r"[\w/ -]{1,64}", name)]


def _retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds that the provider requests: milliseconds, seconds or a date (RFC 9110, 10.2.3)."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        text = headers.get(name, "").strip()
        if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text, re.ASCII):
            return float(text) * unit
    try:
        return max(0.0, parsedate_to_datetime(headers.get("retry-after", "")).timestamp() - now)
    except (ValueError, OverflowError):
        return None
