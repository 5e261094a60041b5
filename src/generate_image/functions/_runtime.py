"""The boundary of every Lambda function: its parts, its log, its deadline and the translation of its errors."""

import gc
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

from generate_image.aws.clients import READ_SECONDS, Clients
from generate_image.deadline import Deadline
from generate_image.errors import GenerateImageError, InternalError
from generate_image.functions import DEFAULT_THRESHOLDS
from generate_image.log import Log
from generate_image.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_stepfunctions import SFNClient

MARGIN_SECONDS = 2.0
"""The time from the deadline to Lambda's timeout. The timeout would hide our own error from the caller."""


class LambdaContext(Protocol):
    """The used part of Lambda's context object.

    https://docs.aws.amazon.com/lambda/latest/dg/python-context.html
    """

    @property
    def aws_request_id(self) -> str:
        """The invocation's id. Lambda's own retries of an asynchronous invocation keep it."""

    @property
    def client_context(self) -> Any:  # noqa: ANN401  # any JSON value of the caller
        """The caller's client context, or None."""

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until Lambda's timeout."""


class AwsClients(Protocol):
    """The boto3 clients, made on first use."""

    @property
    def s3(self) -> "S3Client":
        """Amazon S3."""

    @property
    def secrets_manager(self) -> "SecretsManagerClient":
        """AWS Secrets Manager."""

    @property
    def step_functions(self) -> "SFNClient":
        """AWS Step Functions."""


@dataclass(kw_only=True)
class Environment:
    """The parts of one execution environment, which serves one invocation at a time.

    clock: returns seconds since the epoch. margin: seconds between the deadline and Lambda's timeout.
    """

    settings: Settings
    log: Log
    clients: AwsClients
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    margin: float = MARGIN_SECONDS

    def __post_init__(self) -> None:
        """Make the deadline, which every invocation sets anew."""
        self.deadline = Deadline(self.clock)


Serve = Callable[[Any, LambdaContext], Any]
Build = Callable[[Environment], Serve]
Respond = Callable[[GenerateImageError], Any]


def with_boundary(serve: Serve, environment: Environment, respond: Respond | None = None) -> Serve:
    """Return a function that runs one invocation of ``serve`` inside the boundary.

    The boundary starts the log and the deadline. It turns an unexpected exception into InternalError, because Step
    Functions matches errors by class name. It logs and counts an error, then raises it or returns ``respond(error)``.
    """

    def invoke(event: Any, context: LambdaContext) -> Any:  # noqa: ANN401  # JSON
        return _run(lambda: _timed(serve, environment, event, context), environment.log, context, respond)

    return invoke


def entry_point(
    build: Build, *, service: str, respond: Respond | None = None, read_seconds: float = READ_SECONDS
) -> Serve:
    """Return a Lambda handler. It reads the environment variables and builds the function in the first invocation.

    service: the function's name in its log and metrics, unless POWERTOOLS_SERVICE_NAME is set. read_seconds: the
    longest wait for data from AWS.
    """

    @cache
    def log() -> Log:
        return Log(os.environ.get("POWERTOOLS_SERVICE_NAME") or service)

    @cache
    def function() -> tuple[Serve, Environment]:
        clients = Clients(os.environ, read_seconds=read_seconds)
        environment = Environment(settings=Settings.from_mapping(os.environ), log=log(), clients=clients)
        serve = build(environment)
        # The objects of a cold start live as long as the environment, so the collector need not look at them again.
        gc.freeze()
        gc.set_threshold(*DEFAULT_THRESHOLDS)
        return serve, environment

    def handler(event: Any, context: LambdaContext) -> Any:  # noqa: ANN401  # JSON
        return _run(lambda: _timed(*function(), event, context), log(), context, respond)

    return handler


def _timed(serve: Serve, environment: Environment, event: Any, context: LambdaContext) -> Any:  # noqa: ANN401  # JSON
    environment.deadline.start(context.get_remaining_time_in_millis() / 1000 - environment.margin)
    return serve(event, context)


def _run(call: Callable[[], Any], log: Log, context: LambdaContext, respond: Respond | None) -> Any:  # noqa: ANN401  # JSON
    log.start_invocation(context.aws_request_id)
    try:
        try:
            return call()
        except GenerateImageError:
            raise
        except Exception as error:  # noqa: BLE001  # the only place that translates unexpected exceptions
            log.unexpected_exception(error)
            raise InternalError.from_exception(error) from None
    except GenerateImageError as error:
        log.request_failed(error)
        if respond is None:
            raise
        return respond(error)
