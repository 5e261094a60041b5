"""The state machine's executions, named by picture.

Step Functions keeps the name of a closed execution for 90 days. A request whose execution bought nothing can be made
again under the same key. So the first attempt is named ``<image_id>`` and the next ones ``<image_id>-2``, ``-3``, …;
each starts after the one before has ended. docs/decisions/0008-http-api.md gives the reasons.
"""

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from generate_image.aws.call import STEP_FUNCTIONS, ExpectedAwsError, call
from generate_image.errors import (
    ERRORS_BY_CODE,
    ConfigurationError,
    GenerateImageError,
    InternalError,
    StepFunctionsError,
)

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

REMEMBERED_IMAGES = 1000
TRANSIENT_ERRORS = frozenset(
    {
        "ABORTED",
        "Lambda.AWSLambdaException",
        "Lambda.ClientExecutionTimeoutException",
        "Lambda.SdkClientException",
        "Lambda.ServiceException",
        "Lambda.TooManyRequestsException",
        "Lambda.Unknown",
        "Runtime.ExitError",
        "Sandbox.Timedout",
        "States.Timeout",
        "TIMED_OUT",
    }
)
"""Errors of an execution that a retry may clear. ABORTED: an operator stopped it."""
NOT_ALLOWED_ERRORS = frozenset(
    {"Lambda.AccessDeniedException", "Lambda.ResourceNotFoundException", "States.Permissions"}
)
"""Errors of an execution whose role or function is wrong."""


class Execution(NamedTuple):
    """One attempt.

    status: Step Functions' own. started_at: seconds since the epoch. event: its input. error, cause: of a failed one.
    """

    attempt: int
    status: str
    started_at: float
    event: dict[str, Any]
    error: str = ""
    cause: str = ""

    @property
    def is_running(self) -> bool:
        """Whether the attempt has not ended."""
        return self.status in ("RUNNING", "PENDING_REDRIVE")

    def failure(self) -> GenerateImageError | None:
        """Return the error of a failed attempt, else None."""
        if self.is_running or self.status == "SUCCEEDED":
            return None
        error_class = ERRORS_BY_CODE.get(self.error)
        if error_class is not None:
            return error_class.from_text(_message(self.cause) or f"The execution failed with {self.error}.")
        name = self.error or self.status
        if name in TRANSIENT_ERRORS:
            return StepFunctionsError(f"The execution ended with {name}. Retry with the same idempotency key.")
        if name in NOT_ALLOWED_ERRORS:
            return ConfigurationError(f"The execution ended with {name}. Check the state machine's role and function.")
        return InternalError(f"The execution ended with an unexpected {name}. See its history in Step Functions.")


class Executions:
    """The executions of one state machine. The last known attempt of each picture is kept in memory."""

    def __init__(self, client: "SFNClient", state_machine_arn: str) -> None:
        self._client = client
        self._state_machine_arn = state_machine_arn
        self._execution_arns = state_machine_arn.replace(":stateMachine:", ":execution:")
        self._last_attempts: dict[str, int] = {}

    def last_known_attempt(self, image_id: str) -> int | None:
        """Return the highest attempt that this environment has seen, or None."""
        return self._last_attempts.get(image_id)

    def start(self, image_id: str, attempt: int, event_json: str) -> float | None:
        """Start an attempt. Return its start in seconds since the epoch, or None if its name is already used.

        A running execution with the same name and input is returned by Step Functions as if it was started now.
        Raises StepFunctionsError and ConfigurationError.
        """
        name = _name(image_id, attempt)
        try:
            response = call(
                STEP_FUNCTIONS,
                "Step Functions did not start the execution",
                lambda: self._client.start_execution(
                    stateMachineArn=self._state_machine_arn, name=name, input=event_json
                ),
                expected=frozenset({"ExecutionAlreadyExists"}),
            )
        except ExpectedAwsError:  # it has another input, or has ended
            return None
        self._remember(image_id, attempt)
        return response["startDate"].timestamp()

    def latest(self, client_id: str, image_id: str) -> Execution | None:
        """Return the last attempt of a client's picture, or None.

        Only the last attempt can be running. The search starts at the last known attempt and doubles its step, then
        halves it. Raises StepFunctionsError and ConfigurationError.
        """
        known = self._last_attempts.get(image_id, 1)
        last = self.describe(image_id, known)
        if last is None and known > 1:  # Step Functions does not show a start at once
            last = self.describe(image_id, 1)
        if last is None or last.event.get("client_id") != client_id:  # do not reveal another client's execution
            return None
        step = 1
        missing = 0
        while not last.is_running and not missing:
            found = self.describe(image_id, last.attempt + step)
            if found is None:
                missing = last.attempt + step
            else:
                last, step = found, step * 2
        while not last.is_running and missing - last.attempt > 1:
            middle = (last.attempt + missing) // 2
            found = self.describe(image_id, middle)
            if found is None:
                missing = middle
            else:
                last = found
        return last

    def describe(self, image_id: str, attempt: int) -> Execution | None:
        """Return an attempt, or None if there is no such one. Raises StepFunctionsError and ConfigurationError."""
        arn = f"{self._execution_arns}:{_name(image_id, attempt)}"
        try:
            response = call(
                STEP_FUNCTIONS,
                "Step Functions did not describe the execution",
                lambda: self._client.describe_execution(executionArn=arn),
                expected=frozenset({"ExecutionDoesNotExist"}),
            )
        except ExpectedAwsError:
            return None
        self._remember(image_id, attempt)
        return Execution(
            attempt=attempt,
            status=response["status"],
            started_at=response["startDate"].timestamp(),
            event=_json_object(response.get("input", "")),
            error=response.get("error", ""),
            cause=response.get("cause", ""),
        )

    def _remember(self, image_id: str, attempt: int) -> None:
        highest = max(attempt, self._last_attempts.pop(image_id, 0))
        if len(self._last_attempts) >= REMEMBERED_IMAGES:
            del self._last_attempts[next(iter(self._last_attempts))]
        self._last_attempts[image_id] = highest


def _name(image_id: str, attempt: int) -> str:
    return image_id if attempt == 1 else f"{image_id}-{attempt}"


def _message(cause: str) -> str:
    """Return the message of the function's own error. Other causes can quote the input."""
    message = _json_object(cause).get("errorMessage", "")
    return message if isinstance(message, str) else ""


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
