"""Executions: their names, the search for the last one, and their errors as ours."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
import yaml

from generate_image.aws.executions import REMEMBERED_IMAGES, TRANSIENT_ERRORS, Execution, Executions
from generate_image.errors import ERRORS_BY_CODE, ConfigurationError, StepFunctionsError
from tests.memory_s3 import Clock
from tests.step_functions import MACHINE, MemoryStepFunctions

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

EVENT = '{"client_id": "1"}'
DEFINITION = Path(__file__).parents[3] / "statemachines" / "generate_image.asl.yaml"


@pytest.fixture
def machine() -> MemoryStepFunctions:
    return MemoryStepFunctions(Clock())


def executions_of(machine: MemoryStepFunctions) -> Executions:
    return Executions(cast("SFNClient", machine), MACHINE)


def ended(status: str, error: str = "", cause: str = "") -> Execution:
    return Execution(1, status, 1_800_000_000.0, {}, error, cause)


@pytest.mark.parametrize("attempts", [0, 1, 2, 5, 100])
def test_last_attempt_is_found(machine: MemoryStepFunctions, attempts: int) -> None:
    for attempt in range(1, attempts + 1):
        executions_of(machine).start("an-id", attempt, EVENT)
        machine.end("an-id" if attempt == 1 else f"an-id-{attempt}")
    executions = executions_of(machine)

    latest = executions.latest("1", "an-id")

    assert (latest.attempt if latest else 0) == attempts
    assert executions.latest("2", "an-id") is None
    assert len(machine.described) <= 16, "the search is a binary one"


def test_running_attempt_is_found_in_one_describe(machine: MemoryStepFunctions) -> None:
    executions = executions_of(machine)
    executions.start("an-id", 7, EVENT)

    latest = executions.latest("1", "an-id")

    assert latest is not None
    assert (latest.attempt, latest.is_running) == (7, True)
    assert [name for _, name in machine.described] == ["an-id-7"]


def test_hidden_start_shows_the_attempt_before(machine: MemoryStepFunctions) -> None:
    executions = executions_of(machine)
    executions.start("an-id", 1, EVENT)
    machine.end("an-id")
    machine.hides_starts = True
    executions.start("an-id", 2, EVENT)

    latest = executions.latest("1", "an-id")

    assert latest is not None
    assert latest.attempt == 1
    assert executions.last_known_attempt("an-id") == 2


def test_used_name_is_reported(machine: MemoryStepFunctions) -> None:
    executions = executions_of(machine)
    started_at = executions.start("an-id", 1, EVENT)

    assert started_at == machine.clock()
    assert executions.start("an-id", 1, EVENT) == started_at  # the same execution
    assert executions.start("an-id", 1, '{"client_id": "1", "nextModule": "x"}') is None


def test_remembered_attempts_are_bounded(machine: MemoryStepFunctions) -> None:
    executions = executions_of(machine)
    for number in range(REMEMBERED_IMAGES + 1):
        executions.start(f"id-{number}", 1, EVENT)

    assert executions.last_known_attempt("id-0") is None
    assert executions.last_known_attempt(f"id-{REMEMBERED_IMAGES}") == 1


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("AccessDeniedException", ConfigurationError),
        ("StateMachineDoesNotExist", ConfigurationError),
        ("ThrottlingException", StepFunctionsError),
        ("ServiceUnavailable", StepFunctionsError),
    ],
)
def test_refused_call_is_mapped(machine: MemoryStepFunctions, code: str, expected: type[Exception]) -> None:
    machine.failing = code
    executions = executions_of(machine)

    with pytest.raises(expected):
        executions.start("an-id", 1, EVENT)
    with pytest.raises(expected):
        executions.describe("an-id", 1)


def test_module_error_is_rebuilt() -> None:
    error = ERRORS_BY_CODE["StorageError"]("It failed.", provider_request_id="req_1")

    failure = ended("FAILED", error.code, json.dumps({"errorMessage": str(error)})).failure()

    assert failure is not None
    assert failure.to_dict() == error.to_dict()


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        ("RUNNING", "", None),
        ("PENDING_REDRIVE", "", None),
        ("SUCCEEDED", "", None),
        ("TIMED_OUT", "States.Timeout", "StepFunctionsError"),
        ("ABORTED", "", "StepFunctionsError"),
        ("FAILED", "Sandbox.Timedout", "StepFunctionsError"),
        ("FAILED", "States.Permissions", "ConfigurationError"),
        ("FAILED", "Lambda.ResourceNotFoundException", "ConfigurationError"),
        ("FAILED", "Runtime.ImportModuleError", "InternalError"),
        ("FAILED", "States.Runtime", "InternalError"),
        ("FAILED", "KeyError", "InternalError"),
        ("FAILED", "", "InternalError"),
    ],
)
def test_end_of_an_execution_becomes_an_error(status: str, error: str, code: str | None) -> None:
    cause = json.dumps({"errorMessage": "the prompt was: Un faro"})

    failure = ended(status, error, cause).failure()

    assert (failure.code if failure else None) == code
    assert "Un faro" not in str(failure)


@pytest.mark.parametrize("cause", ["", "no JSON", "[]", '{"errorMessage": 7}', "[" * 100_000])
def test_odd_cause_gets_a_message_of_ours(cause: str) -> None:
    failure = ended("FAILED", "CredentialsError", cause).failure()

    assert str(failure) == "The execution failed with CredentialsError."


def test_transient_errors_are_those_that_the_machine_retries() -> None:
    definition = yaml.safe_load(DEFINITION.read_text("utf-8"))
    retriers = [retrier for state in definition["States"].values() for retrier in state.get("Retry", [])]
    names = {name for retrier in retriers for name in retrier["ErrorEquals"]}

    assert names - ERRORS_BY_CODE.keys() == TRANSIENT_ERRORS - {"ABORTED", "TIMED_OUT", "States.Timeout"}
