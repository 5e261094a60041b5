"""The Images protocol: one purchase, with its models and its retries.

https://developers.openai.com/api/reference/resources/images/methods/generate
"""

import json
from binascii import a2b_base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from generate_image.credentials import Credentials
from generate_image.deadline import Deadline
from generate_image.errors import (
    GenerateImageError,
    ModelUnavailableError,
    ProviderResponseError,
    ProviderUnavailableError,
    RateLimitedError,
)
from generate_image.image_models import is_dall_e, longest_prompt, quality_of
from generate_image.provider_connection import ProviderAnswer, post
from generate_image.provider_errors import NoSuchModelError, to_error

SIZE = "1024x1024"
LONGEST_URL = 8_192
ATTEMPTS = 3
BACKOFF_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 20.0
"""Longer waits are Step Functions', which does not bill for them."""
MOST_TOKENS = 10**9
"""A picture has some thousands. What is no count must not cost the picture: it is kept in S3 metadata, of 2 KB."""
SHORTEST_PURCHASE_SECONDS = 6.0
"""The fastest model needs as long; a request sent with less time left is paid for and lost."""


class Purchase(NamedTuple):
    """A picture that was bought: its bytes in ``content``, or the ``url`` to fetch them from.

    usage: the provider's token counts. seconds: from the request to the end of the answer.
    """

    model: str
    request_id: str | None
    usage: Mapping[str, int] | None
    seconds: float
    content: bytes | None = None
    url: str | None = None


class ImagesApi:
    """Buys pictures. Remembers for as long as it lives which models there are not for which credentials."""

    def __init__(
        self,
        models: Sequence[str],
        quality: str,
        base_url: str,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        random: Callable[[], float],
        shortest_purchase_seconds: float = SHORTEST_PURCHASE_SECONDS,
    ) -> None:
        """clock: seconds since the epoch. random: a number from 0 to 1."""
        self.models = tuple(models)
        self._quality = quality
        self.base_url = base_url
        self._clock = clock
        self._sleep = sleep
        self._random = random
        self._shortest_purchase_seconds = shortest_purchase_seconds
        self._missing: set[tuple[Credentials, str]] = set()

    def buy(self, prompt: str, credentials: Credentials, deadline: Deadline) -> Purchase:
        """Buy one picture from the first model that exists. Raises what ``provider_errors`` makes of a refusal.

        Raises ProviderUnavailableError where the provider was not reached, OutcomeUnknownError where a request was sent
        and no answer came by the deadline, and ModelUnavailableError where no model is left.
        """
        fitting = [model for model in self.models if len(prompt) <= longest_prompt(model)]
        for model in fitting:
            if (credentials, model) in self._missing:
                continue
            try:
                return self._buy_with_retries(model, prompt, credentials, deadline)
            except NoSuchModelError:
                self._missing.add((credentials, model))
        # Asked again next time: the list may have been right, and the provider wrong or not yet ready.
        self._missing = {(owner, model) for owner, model in self._missing if owner != credentials}
        others = ", ".join(model for model in self.models if model not in fitting)
        too_long = f"; {others} takes no prompt of {len(prompt)} characters" if others else ""
        raise ModelUnavailableError(
            f"The provider has none of the models {', '.join(fitting)}{too_long}. Set IMAGE_MODELS to one that it has."
        )

    def _buy_with_retries(self, model: str, prompt: str, credentials: Credentials, deadline: Deadline) -> Purchase:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._buy_once(model, prompt, credentials, deadline)
            except (RateLimitedError, ProviderUnavailableError) as error:
                wait = self._wait(error, attempt)
                too_late = wait + self._shortest_purchase_seconds > deadline.remaining()
                if attempt == ATTEMPTS or wait > LONGEST_WAIT_SECONDS or too_late:
                    raise
            self._sleep(wait)
        raise AssertionError  # pragma: no cover  # the last attempt returns or raises

    def _wait(self, error: GenerateImageError, attempt: int) -> float:
        """Return the seconds to wait: at least what the provider asked for, and never the same for two callers."""
        jitter = self._random() * BACKOFF_SECONDS * float(2 ** (attempt - 1))
        return (error.retry_after or 0.0) + jitter

    def _buy_once(self, model: str, prompt: str, credentials: Credentials, deadline: Deadline) -> Purchase:
        if deadline.remaining() < self._shortest_purchase_seconds:
            raise ProviderUnavailableError("Too little of the invocation's time is left to buy a picture. Try again.")
        base_url = credentials.base_url or self.base_url
        content = json.dumps(_payload(model, prompt, self._quality)).encode()
        began = self._clock()
        answer = post(f"{base_url}/images/generations", credentials, content, deadline)
        if not answer.is_success:
            raise to_error(answer, now=self._clock())
        return _purchase(model, answer, self._clock() - began)


def _payload(model: str, prompt: str, quality: str) -> dict[str, Any]:
    common = {"model": model, "prompt": prompt, "n": 1, "size": SIZE}
    if is_dall_e(model):
        return common | {"quality": "standard", "response_format": "url"}
    return common | {"quality": quality_of(model, quality), "output_format": "png"}


def _purchase(model: str, answer: ProviderAnswer, seconds: float) -> Purchase:
    try:
        parsed = json.loads(answer.content)
        first = parsed["data"][0]
        encoded, url = first.get("b64_json"), first.get("url")
        picture = a2b_base64(encoded.partition(",")[2] if encoded.startswith("data:") else encoded) if encoded else None
    except (ValueError, RecursionError, KeyError, IndexError, TypeError, AttributeError):
        parsed, picture, url = {}, None, None
    if not picture and not _is_http_url(url):
        raise ProviderResponseError(
            "The provider answered without a picture. It may have been billed.", provider_request_id=answer.request_id
        )
    return Purchase(
        model=model,
        request_id=answer.request_id,
        usage=_usage(parsed.get("usage")),
        seconds=seconds,
        content=picture,
        url=url if _is_http_url(url) else None,
    )


def _is_http_url(url: object) -> bool:
    """Tell whether a URL may be kept for a download; it comes back in the answer, whose size was seen to before."""
    return (
        isinstance(url, str) and url.startswith(("https://", "http://")) and url.isascii() and len(url) <= LONGEST_URL
    )


def _usage(usage: object) -> Mapping[str, int] | None:
    if not isinstance(usage, dict):
        return None
    counts = {name: usage.get(name) for name in ("input_tokens", "output_tokens", "total_tokens")}
    known = {name: count for name, count in counts.items() if type(count) is int and 0 <= count <= MOST_TOKENS}
    return known if len(known) == len(counts) else None
