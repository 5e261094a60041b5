"""The state machine's executions: one at a time for each picture, named after it.

Step Functions keeps the name of a closed execution for 90 days, and a request of which nothing was bought may be made
again under the same key. So the first attempt is named ``<image_id>`` and the next ones ``<image_id>-2``, ``-3``, …;
each begins only after the one before has ended. docs/decisions/0008-http-api.md says why.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from generate_image.deadline import Deadline, DeadlineExceededError
from generate_image.errors import BY_CODE, ConfigurationError, GenerateImageError, StorageError

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

T = TypeVar("T")

NOT_ALLOWED = frozenset({"AccessDeniedException", "StateMachineDoesNotExist", "StateMachineDeleting", "InvalidArn"})
PASSING_FAILURES = frozenset(
    {
        "Lambda.AWSLambdaException",
        "Lambda.ClientExecutionTimeoutException",
        "Lambda.SdkClientException",
        "Lambda.ServiceException",
        "Lambda.TooManyRequestsException",
        "States.Timeout",
    }
)
"""What an execution may end with that is nobody's fault and may be over by now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One attempt. status: Step Functions' own word. started: seconds since the epoch. event: what it was given."""

    attempt: int
    status: str
    started: float
    event: dict[str, Any]
    error: str
    cause: str

    @property
    def is_running(self) -> bool:
        """Tell whether the attempt has not ended yet."""
        return self.status in ("RUNNING", "PENDING_REDRIVE")

    def failure(self) -> GenerateImageError | None:
        """Return what the attempt failed with; None where it did not fail."""
        if self.is_running or self.status == "SUCCEEDED":
            return None
        error_class = BY_CODE.get(self.error)
        if error_class is not None:
            return error_class.from_text(_message(self.cause) or f"The picture was not made ({self.error}).")
        name = self.error or self.status
        if name in PASSING_FAILURES:
            return StorageError(
                f"Step Functions ended the execution ({name}). Try again with the same idempotency key."
            )
        return ConfigurationError(f"The execution ended in a way that it should not ({name}). Look at its history.")


class Executions:
    """The executions of one state machine."""

    def __init__(self, client: "SFNClient", state_machine_arn: str) -> None:
        self._client = client
        self._state_machine_arn = state_machine_arn
        self._execution_arns = state_machine_arn.replace(":stateMachine:", ":execution:")

    def start(self, image_id: str, attempt: int, event: str, deadline: Deadline) -> bool:
        """Start an attempt with an event as JSON; tell whether it is the one, or another was started before.

        Raises StorageError and ConfigurationError.
        """

        def start() -> None:
            self._client.start_execution(
                stateMachineArn=self._state_machine_arn, name=_name(image_id, attempt), input=event
            )

        try:
            _asked(start, deadline)
        except ClientError:  # ExecutionAlreadyExists: it has another input, or has ended
            return False
        return True

    def latest(self, client_id: str, image_id: str, deadline: Deadline) -> Execution | None:
        """Return the last attempt at a client's picture; None where there is none.

        Only the last can be running, so the first that runs is the last. Among those that ended, the last is found by
        doubling and halving. Raises StorageError and ConfigurationError.
        """
        last = self._describe(image_id, 1, deadline)
        if last is None or last.event.get("client_id") != client_id:  # whose picture it is not may not be told
            return None
        missing = 2
        while not last.is_running and (found := self._describe(image_id, missing, deadline)) is not None:
            last, missing = found, missing * 2
        while not last.is_running and missing - last.attempt > 1:
            middle = (last.attempt + missing) // 2
            found = self._describe(image_id, middle, deadline)
            if found is None:
                missing = middle
            else:
                last = found
        return last

    def _describe(self, image_id: str, attempt: int, deadline: Deadline) -> Execution | None:
        arn = f"{self._execution_arns}:{_name(image_id, attempt)}"
        try:
            told = _asked(lambda: self._client.describe_execution(executionArn=arn), deadline)
        except ClientError:  # ExecutionDoesNotExist
            return None
        return Execution(
            attempt=attempt,
            status=told["status"],
            started=told["startDate"].timestamp(),
            event=_json_object(told.get("input", "")),
            error=told.get("error", ""),
            cause=told.get("cause", ""),
        )


def _name(image_id: str, attempt: int) -> str:
    return image_id if attempt == 1 else f"{image_id}-{attempt}"


def _asked(call: Callable[[], T], deadline: Deadline) -> T:
    """Return what Step Functions answers; of its refusals, let those about the execution itself through."""
    try:
        return deadline.run(call)
    except (ClientError, BotoCoreError, DeadlineExceededError) as error:
        code = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
        if code in ("ExecutionAlreadyExists", "ExecutionDoesNotExist"):
            raise
        if code in NOT_ALLOWED:
            raise ConfigurationError(
                f"Step Functions refuses the state machine ({code}). Check STATE_MACHINE_ARN and the API's role."
            ) from error
        raise StorageError(
            f"Step Functions did not answer as it should ({code}). Try again with the same idempotency key."
        ) from error


def _message(cause: str) -> str:
    """Return the message of the function's error; of anything else nothing, because it may quote the input."""
    message = _json_object(cause).get("errorMessage", "")
    return message if isinstance(message, str) else ""


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
