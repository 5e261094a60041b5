"""What the provider's refusals mean: its answer in, one of our errors out.

OpenAI says to use ``error.code`` as the stable discriminator, but codes are null or absent in some answers, and the
hosts that speak the same protocol shape theirs differently. So code, type and status are all looked at, and a shape
that is not known counts by its status alone.
"""

import json
import re
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

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
from generate_image.provider_connection import ProviderAnswer

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
NO_SUCH_MODEL_MESSAGE = re.compile(r"\bmodel\b.*\bdoes not exist\b", re.IGNORECASE | re.DOTALL)

BAD_REQUEST, UNAUTHORIZED, PAYMENT_REQUIRED, FORBIDDEN, NOT_FOUND = 400, 401, 402, 403, 404
REQUEST_TIMEOUT, TOO_MANY_REQUESTS, INTERNAL_SERVER_ERROR, SERVICE_UNAVAILABLE = 408, 429, 500, 503


class NoSuchModelError(Exception):
    """The provider does not know the model that was asked for; the next in the list may be tried."""


def to_error(answer: ProviderAnswer, *, now: float) -> GenerateImageError | NoSuchModelError:
    """Return the error that stands for an answer that is no success.

    now: seconds since the epoch, for a Retry-After that is a date. Only a 4xx, or an error object with 500 or 503, is
    the provider's own word that nothing was made. A gateway's answer says nothing about what happened behind it.
    """
    refusal = _Refusal(answer, _error_object(answer.content))
    status, reasons = answer.status, refusal.reasons
    if status in {INTERNAL_SERVER_ERROR, SERVICE_UNAVAILABLE} and refusal.error:
        message = f"The provider says that it failed (HTTP {status}); nothing was bought. Try again later."
        return refusal.told(ProviderUnavailableError, message, retry_after=_retry_after(answer.headers, now))
    if not BAD_REQUEST <= status < INTERNAL_SERVER_ERROR or status == REQUEST_TIMEOUT:
        return refusal.told(
            OutcomeUnknownError,
            f"The request was sent and something in between answered HTTP {status}: the picture may have been billed. "
            "Only a new idempotency key buys another.",
        )
    if reasons & MONEY or status == PAYMENT_REQUIRED:
        message = "The provider's account has no money or quota left. Add credit or raise its limit, then try again."
        return refusal.told(QuotaExhaustedError, message)
    if reasons & MODERATION or isinstance(refusal.error.get("moderation_details"), dict):
        categories = _categories(refusal.error)
        because = f" ({', '.join(categories)})" if categories else ""
        message = f"The provider's moderation rejected the request{because}. Change the prompt."
        return refusal.told(ContentRejectedError, message, categories=categories)
    if status in {BAD_REQUEST, NOT_FOUND} and _is_no_such_model(refusal):
        return NoSuchModelError()
    return _by_status(refusal, now)


def _by_status(refusal: "_Refusal", now: float) -> GenerateImageError:
    status = refusal.answer.status
    if status in {UNAUTHORIZED, FORBIDDEN}:
        return refusal.told(
            ProviderAuthError,
            f"The provider refuses the API key (HTTP {status}). Check that it is valid, that it may create images, "
            "and that its organization is verified for the model.",
        )
    if status == TOO_MANY_REQUESTS:
        message = "The provider's rate limit is reached; nothing was bought. Try again later."
        return refusal.told(RateLimitedError, message, retry_after=_retry_after(refusal.answer.headers, now))
    # Neither the provider's message nor its param is repeated: they may quote the prompt.
    code = refusal.error.get("code")
    known = f", {code}" if isinstance(code, str) and re.fullmatch(r"[\w.-]{1,64}", code) else ""
    message = f"The provider refused the request (HTTP {status}{known}); nothing was bought. Its support can tell why."
    return refusal.told(ProviderRejectedError, message)


class _Refusal(NamedTuple):
    """An answer that is no success. error: its error object, empty where the body holds none."""

    answer: ProviderAnswer
    error: Mapping[str, Any]

    @property
    def reasons(self) -> frozenset[str]:
        """The words that tell why: code, type, and Azure's inner code."""
        inner = self.error.get("inner_error")
        words = [self.error.get("code"), self.error.get("type"), inner.get("code") if isinstance(inner, dict) else None]
        return frozenset(word for word in words if isinstance(word, str))

    def told(
        self,
        error_class: type[GenerateImageError],
        message: str,
        *,
        categories: Sequence[str] = (),
        retry_after: float | None = None,
    ) -> GenerateImageError:
        """Return the error, with the provider's request id."""
        request_id = self.answer.request_id
        return error_class(message, categories=categories, retry_after=retry_after, provider_request_id=request_id)


def _error_object(content: bytes | bytearray) -> Mapping[str, Any]:
    """Return the error object of a body that may be anything."""
    try:
        parsed = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    error = parsed.get("error") if isinstance(parsed, dict) else None
    return error if isinstance(error, dict) else {}


def _is_no_such_model(refusal: _Refusal) -> bool:
    """Seen: 400 "The model 'dall-e-3' does not exist.", and 404 ``model_not_found`` elsewhere."""
    message = refusal.error.get("message")
    return bool(refusal.reasons & NO_SUCH_MODEL) or (
        isinstance(message, str) and bool(NO_SUCH_MODEL_MESSAGE.search(message))
    )


def _categories(error: Mapping[str, Any]) -> list[str]:
    details = error.get("moderation_details")
    listed = details.get("categories") if isinstance(details, dict) else None
    if not isinstance(listed, list):
        return []
    return [name for name in listed if isinstance(name, str) and re.fullmatch(r"[\w/ -]{1,64}", name)]


def _retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds that the provider asks to wait: milliseconds, seconds or a date (RFC 9110, 10.2.3)."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        text = headers.get(name, "").strip()
        if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text, re.ASCII):
            return float(text) * unit
    try:
        return max(0.0, parsedate_to_datetime(headers.get("retry-after", "")).timestamp() - now)
    except (ValueError, OverflowError):
        return None
