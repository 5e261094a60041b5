"""How long the models still have: once a day the provider is asked about each that pictures are bought from.

Models get as little as three months' notice, and https://developers.openai.com/api/docs/deprecations is read by nobody
every day. ``GET /v1/models/{id}`` has ``shutdown_date``: YYYY-MM-DD, or null.
"""

import json
import os
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import boto3
import requests
from botocore.config import Config

from generate_image import collect_garbage_as_usual
from generate_image.credentials import Credentials, CredentialsStore
from generate_image.deadline import Deadline, DeadlineExceededError, LambdaContext
from generate_image.errors import GenerateImageError
from generate_image.provider_connection import USER_AGENT, Authorization, ProviderAnswer
from generate_image.provider_errors import NoSuchModelError, to_error
from generate_image.settings import Settings
from generate_image.telemetry import SERVICE, Telemetry

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

MARGIN_SECONDS = 2.0
ASKING_SECONDS = 10.0
AWS_CONFIG = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 3})


class UnansweredError(Exception):
    """The provider did not tell about a model; the message says why, without a key."""


class ModelWatch:
    """Asks about the models of the settings and tells the operator what the provider said."""

    def __init__(
        self, settings: Settings, secrets: "SecretsManagerClient", telemetry: Telemetry, *, clock: Callable[[], float]
    ) -> None:
        """clock: seconds since the epoch."""
        self._models = settings.image_models
        self._base_url = settings.openai_base_url
        self._credentials = CredentialsStore(secrets, settings.credentials_prefix, clock=clock)
        self._telemetry = telemetry
        self._clock = clock

    def look(self, event: object, deadline: Deadline) -> dict[str, int | None]:
        """Return the days that each model has left, as far as the provider told: 0 when it is gone, None without end.

        event: ``{"credential": "shared/NAME"}``, or ``cli_CLIENT/NAME``. Raises GenerateImageError where that
        credential cannot be read.
        """
        owner, _, credentials_id = str(event.get("credential") if isinstance(event, dict) else None).partition("/")
        credentials = self._credentials.read_of(owner, credentials_id, deadline)
        today = datetime.fromtimestamp(self._clock(), UTC).date()
        days_left: dict[str, int | None] = {}
        for model in self._models:
            try:
                shutdown_date = self._shutdown_date(model, credentials, deadline)
            except NoSuchModelError:
                self._telemetry.model_gone(model)
                days_left[model] = 0
            except UnansweredError as error:
                self._telemetry.models_unwatched(model, str(error))
            else:
                days_left[model] = (shutdown_date - today).days if shutdown_date else None
                self._telemetry.model_watched(model, shutdown_date, days_left[model])
        return days_left

    def _shutdown_date(self, model: str, credentials: Credentials, deadline: Deadline) -> date | None:
        """Return the day that a model ends, or None. Raises NoSuchModelError and UnansweredError."""
        url = f"{credentials.base_url or self._base_url}/models/{quote(model, safe='')}"
        asking = Deadline(min(deadline.at, self._clock() + ASKING_SECONDS), self._clock)
        try:
            answer = asking.run(lambda: _get(url, credentials))
        except (requests.RequestException, DeadlineExceededError) as error:
            raise UnansweredError(f"The provider did not answer ({type(error).__name__}).") from error
        if answer.status in {401, 403}:
            raise UnansweredError(
                f"The provider refuses the API key (HTTP {answer.status}). A restricted key must be let list models."
            )
        if not answer.is_success:
            refusal = to_error(answer, now=self._clock())
            if isinstance(refusal, NoSuchModelError):
                raise refusal
            raise UnansweredError(f"The provider answered HTTP {answer.status}.")
        try:
            shutdown_date = json.loads(answer.content)["shutdown_date"]
            return None if shutdown_date is None else date.fromisoformat(shutdown_date)
        except (ValueError, KeyError, TypeError) as error:
            raise UnansweredError("The provider's answer has no shutdown_date.") from error


def _get(url: str, credentials: Credentials) -> ProviderAnswer:
    response = requests.get(
        url,
        headers={"User-Agent": USER_AGENT},
        auth=Authorization(credentials),
        timeout=ASKING_SECONDS,
        allow_redirects=False,
    )
    return ProviderAnswer(response.status_code, response.headers, response.content, None)


def watched(
    telemetry: Telemetry, context: LambdaContext, look: Callable[[], dict[str, int | None]]
) -> dict[str, int | None]:
    """Return what ``look`` returns, or nothing where it fails, which is logged and counted.

    A failed invocation would be repeated and counted among those that cost somebody a picture.
    """
    telemetry.begin(context.aws_request_id)
    try:
        return look()
    except GenerateImageError as error:
        telemetry.models_unwatched(None, str(error))
    except Exception as error:  # noqa: BLE001  # the boundary that nothing passes
        telemetry.unforeseen(error)
        telemetry.models_unwatched(None, f"The watch failed ({type(error).__name__}).")
    return {}


@cache
def _telemetry() -> Telemetry:
    return Telemetry(service=os.environ.get("POWERTOOLS_SERVICE_NAME", SERVICE))


@cache
def _watch() -> ModelWatch:
    settings = Settings.from_mapping(os.environ)
    made = ModelWatch(settings, boto3.client("secretsmanager", config=AWS_CONFIG), _telemetry(), clock=time.time)
    collect_garbage_as_usual()
    return made


def handler(event: object, context: LambdaContext) -> dict[str, Any]:
    """Look after the models once: AWS Lambda's entry point."""
    deadline = Deadline(time.time() + context.get_remaining_time_in_millis() / 1000 - MARGIN_SECONDS, time.time)
    return watched(_telemetry(), context, lambda: _watch().look(event, deadline))
