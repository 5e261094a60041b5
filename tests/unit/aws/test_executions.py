"""Executions: their names, the search for the last one, and their errors as ours."""

import json
from typing import TYPE_CHECKING, cast

import pytest

from generate_image.aws.executions import REMEMBERED_IMAGES, Execution, Executions
from tests.memory_s3 import Clock
from tests.step_functions import MACHINE, MemoryStepFunctions

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

EVENT = '{"client_id": "1"}'


@pytest.fixture
def machine() -> MemoryStepFunctions:
    return MemoryStepFunctions(Clock())


def executions_of(machine: MemoryStepFunctions) -> Executions:
    return Executions(cast("SFNClient", machine), MACHINE)


@pytest.mark.parametrize(("attempts", "calls"), [(0, 1), (1, 2), (2, 4), (3, 4), (6, 6), (100, 14)])
def test_last_attempt_is_found_in_few_calls(machine: MemoryStepFunctions, attempts: int, calls: int) -> None:
    for attempt in range(1, attempts + 1):
        executions_of(machine).start("an-id", attempt, EVENT)
        machine.end("an-id" if attempt == 1 else f"an-id-{attempt}")
    executions = executions_of(machine)
    latest = executions.latest("1", "an-id")
    assert (latest.attempt if latest else 0) == attempts
    assert len(machine.described) == calls
    assert executions.latest("2", "an-id") is None


def test_known_attempt_is_described_first(machine: MemoryStepFunctions) -> None:
    executions = executions_of(machine)
    started_at = executions.start("an-id", 7, EVENT)
    assert executions.latest("1", "an-id") == Execution(7, "RUNNING", machine.clock(), json.loads(EVENT))
    assert [name for _, name in machine.described] == ["an-id-7"]
    assert executions.start("an-id", 7, EVENT) == started_at == machine.clock()  # the same execution
    assert executions.start("an-id", 7, '{"client_id": "1", "nextModule": "x"}') is None


def test_hidden_start_shows_the_attempt_before(machine: MemoryStepFunctions) -> None:
    executions = executions_of(machine)
    executions.start("an-id", 1, EVENT)
    machine.end("an-id")
    machine.hides_starts = True
    executions.start("an-id", 2, EVENT)
    latest = executions.latest("1", "an-id")
    assert latest is not None
    assert (latest.attempt, executions.last_known_attempt("an-id")) == (1, 2)


def test_remembered_attempts_are_bounded(machine: MemoryStepFunctions) -> None:
    executions = executions_of(machine)
    for number in range(REMEMBERED_IMAGES):
        executions.start(f"id-{number}", 1, EVENT)
    executions.start("id-0", 2, EVENT)
    executions.start("another", 1, EVENT)
    assert [executions.last_known_attempt(name) for name in ("id-0", "id-1", "another")] == [2, None, 1]


OUR_MESSAGE = "The execution failed with CredentialsError."
CAUSE = json.dumps({"errorMessage": "the prompt was: Un faro"})


@pytest.mark.parametrize(
    ("status", "error", "cause", "code", "message"),
    [
        *((status, "", CAUSE, None, "") for status in ("RUNNING", "PENDING_REDRIVE", "SUCCEEDED")),
        ("TIMED_OUT", "States.Timeout", CAUSE, "StepFunctionsError", "ended with States.Timeout"),
        ("ABORTED", "", CAUSE, "StepFunctionsError", "ended with ABORTED"),
        ("FAILED", "Sandbox.Timedout", CAUSE, "StepFunctionsError", "ended with Sandbox.Timedout"),
        ("FAILED", "States.Permissions", CAUSE, "ConfigurationError", "ended with States.Permissions"),
        ("FAILED", "KeyError", CAUSE, "InternalError", "unexpected KeyError"),
        ("FAILED", "", CAUSE, "InternalError", "unexpected FAILED"),
        ("FAILED", "StorageError", '{"errorMessage": "It failed. [provider request r]"}', "StorageError", "It failed."),
        *(
            ("FAILED", "CredentialsError", cause, "CredentialsError", OUR_MESSAGE)
            for cause in ("", "no JSON", "[]", '{"errorMessage": 7}', "[" * 100_000)
        ),
    ],
    ids=range(15),
)
def test_end_of_an_execution_becomes_an_error(
    status: str, error: str, cause: str, code: str | None, message: str
) -> None:
    failure = Execution(1, status, 1_800_000_000.0, {}, error, cause).failure()
    assert (failure.code if failure else None) == code
    assert message in str(failure)
    assert "Un faro" not in str(failure)
