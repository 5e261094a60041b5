"""The function that buys: the module's event in, its answer or a named error out."""

import os
import random
import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from generate_image import collect_garbage_as_usual
from generate_image.claims import Claims
from generate_image.credentials import CredentialsStore
from generate_image.deadline import Deadline, LambdaContext
from generate_image.delivery import links_for
from generate_image.download import Downloader
from generate_image.errors import ConfigurationError, GenerateImageError
from generate_image.generation import STORING_SECONDS, Generation
from generate_image.image_models import longest_prompt
from generate_image.openai_images import SHORTEST_PURCHASE_SECONDS, ImagesApi
from generate_image.records import Records
from generate_image.request import LAMBDA_ANSWER_BYTES, parse_event
from generate_image.settings import Settings
from generate_image.storage import PictureStore
from generate_image.telemetry import SERVICE, Telemetry

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient

MARGIN_SECONDS = 2.0
"""Our own error is raised so long before Lambda ends the invocation, which would tell the caller nothing."""
AWS_CONFIG = Config(
    signature_version="s3v4",  # else boto3 presigns with SigV2 in some regions
    connect_timeout=2,
    read_timeout=10,
    retries={"mode": "standard", "total_max_attempts": 3},
)


class Handler:
    """Serves invocations. Lives as long as the environment, and so do its clients and what it remembers."""

    def __init__(
        self,
        settings: Settings,
        s3: "S3Client",
        secrets: "SecretsManagerClient",
        telemetry: Telemetry,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        storing_seconds: float = STORING_SECONDS,
        shortest_purchase_seconds: float = SHORTEST_PURCHASE_SECONDS,
    ) -> None:
        """clock: seconds since the epoch. storing_seconds, shortest_purchase_seconds: how its time is cut."""
        self._telemetry = telemetry
        self._clock = clock
        self._longest_prompt = max(map(longest_prompt, settings.image_models))
        pictures = PictureStore(s3, settings.image_bucket, settings.picture_retention_days, sleep=sleep)
        records = Records(s3, settings.image_bucket, clock=clock, sleep=sleep)
        self._generation = Generation(
            settings=settings,
            credentials=CredentialsStore(secrets, settings.credentials_prefix, clock=clock),
            claims=Claims(records, pictures, telemetry, settings.when_outcome_unknown, clock=clock),
            images=ImagesApi(
                settings.image_models,
                settings.image_quality,
                settings.openai_base_url,
                clock=clock,
                sleep=sleep,
                random=random.random,
                shortest_purchase_seconds=shortest_purchase_seconds,
            ),
            downloader=Downloader(settings.download_hosts),
            pictures=pictures,
            links=links_for(settings, s3, secrets, clock=clock),
            telemetry=telemetry,
            storing_seconds=storing_seconds,
        )

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], telemetry: Telemetry) -> "Handler":
        """Return a handler with clients of its own. Raises ConfigurationError."""
        settings = Settings.from_mapping(environ)
        s3 = boto3.client("s3", config=AWS_CONFIG)
        secrets = boto3.client("secretsmanager", config=AWS_CONFIG)
        return cls(settings, s3, secrets, telemetry)

    def serve(self, event: object, context: LambdaContext) -> dict[str, Any]:
        """Return the module's answer. Raises a GenerateImageError."""
        seconds = context.get_remaining_time_in_millis() / 1000
        request = parse_event(
            event,
            default_key=context.aws_request_id,
            longest_prompt=self._longest_prompt,
            answer_bytes=_answer_bytes(context),
        )
        return self._generation.generate(request, Deadline(self._clock() + seconds - MARGIN_SECONDS, self._clock))


def _answer_bytes(context: LambdaContext) -> int:
    """Return how large the answer may be: a caller that can take less than Lambda gives says so in its client context.

    https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html#API_Invoke_RequestParameters (ClientContext)
    """
    custom = getattr(context.client_context, "custom", None) or {}
    told = str(custom.get("answer_bytes", ""))
    return min(int(told), LAMBDA_ANSWER_BYTES) if told.isdecimal() else LAMBDA_ANSWER_BYTES


def told(telemetry: Telemetry, context: LambdaContext, serve: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what ``serve`` returns; log and count the error that it raises, and let nothing foreign out.

    Step Functions matches an error by the name of its class, so an exception that is none of ours becomes one.
    """
    telemetry.begin(context.aws_request_id)
    try:
        try:
            return serve()
        except GenerateImageError:
            raise
        except Exception as error:  # noqa: BLE001  # the one boundary that nothing foreign passes
            telemetry.unforeseen(error)
            raise ConfigurationError.unforeseen(error) from None
    except GenerateImageError as error:
        telemetry.failed(error)
        raise


@cache
def _telemetry() -> Telemetry:
    return Telemetry(service=os.environ.get("POWERTOOLS_SERVICE_NAME", SERVICE))


@cache
def _handler() -> Handler:
    made = Handler.from_environment(os.environ, _telemetry())
    collect_garbage_as_usual()
    return made


def handler(event: object, context: LambdaContext) -> dict[str, Any]:
    """Serve one invocation: AWS Lambda's entry point."""
    return told(_telemetry(), context, lambda: _handler().serve(event, context))
