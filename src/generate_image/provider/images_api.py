"""Buys one picture: tries the models in order, and retries a request that certainly bought nothing.

https://developers.openai.com/api/reference/resources/images/methods/generate
"""

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from generate_image.credentials import Credentials
from generate_image.deadline import Deadline
from generate_image.errors import (
    GenerateImageError,
    ModelUnavailableError,
    ProviderResponseError,
    ProviderUnavailableError,
    RateLimitedError,
)
from generate_image.options import NO_OPTIONS, Options
from generate_image.picture import BoughtPicture
from generate_image.provider.errors import NoSuchModelError, to_error
from generate_image.provider.images_response import read_response
from generate_image.provider.models import cost_usd, refusal, request_parameters
from generate_image.provider.post import post
from generate_image.settings import Settings

ATTEMPTS = 3
BACKOFF_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 20.0
"""A longer wait is left to Step Functions, which does not bill for it."""
SHORTEST_PURCHASE_SECONDS = 6.0
"""The fastest model takes as long. A request with less time left would be billed and lost."""
MISSING_SECONDS = 3600.0
"""After which a model that did not exist is tried again."""


class Purchase(NamedTuple):
    """A bought picture. seconds: from the request to the end of the response. content: None: picture.source_url has it.

    A provider may return both; then ``source_url`` is information only.
    """

    picture: BoughtPicture
    seconds: float
    content: bytes | None


class ImagesApi:
    """Buys pictures. Remembers for an hour which model does not exist for which credentials."""

    def __init__(
        self,
        settings: Settings,
        deadline: Deadline,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        random: Callable[[], float],
        reserve_seconds: float,
        shortest_purchase_seconds: float = SHORTEST_PURCHASE_SECONDS,
    ) -> None:
        """clock: returns seconds since the epoch. random: returns 0 to 1.

        reserve_seconds: the part of the invocation that is kept for other steps.
        """
        self._models = settings.image_models
        self._quality = settings.image_quality
        self._base_url = settings.openai_base_url
        self._remaining = partial(deadline.remaining, reserve_seconds)
        self._clock = clock
        self._sleep = sleep
        self._random = random
        self._shortest_purchase_seconds = shortest_purchase_seconds
        self._missing_until: dict[tuple[Credentials, str], float] = {}

    def buy(self, prompt: str, credentials: Credentials, options: Options = NO_OPTIONS) -> Purchase:
        """Buy one picture from the first model that exists and takes the prompt and the options.

        Raises the errors of ``to_error``, ProviderUnavailableError if the provider was not reached, OutcomeUnknownError
        if the request was sent and no response came in time, and ModelUnavailableError if no model is left.
        """
        refusals = {model: refusal(model, prompt, options) for model in self._models}
        fitting = [model for model in self._models if not refusals[model]]
        for model in fitting:
            if self._clock() < self._missing_until.get((credentials, model), 0):
                continue
            try:
                parameters = request_parameters(model, prompt, self._quality, options)
                return self._buy_with_retries(model, parameters, credentials)
            except NoSuchModelError:
                self._missing_until[credentials, model] = self._clock() + MISSING_SECONDS
        # The next request tries all of them again: the provider may have been wrong.
        for model in fitting:
            self._missing_until.pop((credentials, model), None)
        missing = [f"the provider has none of the models {', '.join(fitting)}"] if fitting else []
        reasons = "; ".join(missing + [reason for reason in refusals.values() if reason])
        raise ModelUnavailableError(f"No model can make this picture: {reasons}. Set IMAGE_MODELS to one that can.")

    def _buy_with_retries(self, model: str, parameters: Mapping[str, str | int], credentials: Credentials) -> Purchase:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._buy_once(model, parameters, credentials)
            except (RateLimitedError, ProviderUnavailableError) as error:
                wait = self._wait_seconds(error, attempt)
                too_late = wait + self._shortest_purchase_seconds > self._remaining()
                if attempt == ATTEMPTS or wait > LONGEST_WAIT_SECONDS or too_late:
                    raise
            self._sleep(wait)
        raise AssertionError  # pragma: no cover  # the last attempt returns or raises

    def _wait_seconds(self, error: GenerateImageError, attempt: int) -> float:
        """Return at least the provider's Retry-After, with jitter."""
        jitter = self._random() * BACKOFF_SECONDS * float(2 ** (attempt - 1))
        return (error.retry_after or 0.0) + jitter

    def _buy_once(self, model: str, parameters: Mapping[str, str | int], credentials: Credentials) -> Purchase:
        if self._remaining() < self._shortest_purchase_seconds:
            raise ProviderUnavailableError("The invocation has too little time left to buy a picture. Try again.")
        base_url = credentials.base_url or self._base_url
        content = json.dumps(parameters).encode()
        started = self._clock()
        response = post(f"{base_url}/images/generations", credentials, content, self._remaining)
        if not response.is_success:
            raise to_error(response, model=model, now=self._clock())
        seconds = self._clock() - started
        images = read_response(response.content)
        if images is None:
            raise ProviderResponseError(
                "The provider's response contains no picture. It may be billed.",
                provider_request_id=response.request_id,
            )
        cost = cost_usd(model, images.usage)
        return Purchase(
            BoughtPicture(model, response.request_id, images.usage, cost, images.url), seconds, images.content
        )
