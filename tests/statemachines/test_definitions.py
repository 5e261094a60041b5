"""What the definitions say, held against the errors of the module, against each other, and against AWS's own schema."""

import base64
import json
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from generate_image.errors import BY_CODE
from generate_image.request import STEP_FUNCTIONS_ANSWER_BYTES
from local.state_machines import definition_of
from tests.statemachines.flow import BATCH, DEFINITIONS, SINGLE, SUBSTITUTIONS, read_definition

CFN_LINT = Path(__file__).parents[2] / ".venv-sam/bin/cfn-lint"
DOCUMENT = Path(__file__).parents[2] / "docs/batches.md"
README = Path(__file__).parents[2] / "README.md"
RETRYABLE = {code for code, error in BY_CODE.items() if error.retryable}
# What tells that the function was not called, or was cut off; the record makes asking again safe.
# https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
# https://docs.aws.amazon.com/step-functions/latest/dg/sfn-best-practices.html (transient Lambda errors)
LAMBDA = {
    "Lambda.AWSLambdaException",
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.SdkClientException",
    "Lambda.ServiceException",
    "Lambda.TooManyRequestsException",
    "Lambda.Unknown",
    "Runtime.ExitError",
    "Sandbox.Timedout",
}
# Told to the caller at once. A new error belongs here, or in a Retry of every task.
FINAL = {
    "ConfigurationError",
    "ContentRejectedError",
    "CredentialsError",
    "IdempotencyKeyReusedError",
    "ImageNotFoundError",
    "InvalidRequestError",
    "ModelUnavailableError",
    "OutcomeUnknownError",
    "ProviderAuthError",
    "ProviderRejectedError",
    "ProviderResponseError",
    "QuotaExhaustedError",
}


def states_of(definition: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give every state by name, those inside a Map included."""
    for name, state in definition["States"].items():
        yield name, state
        if "ItemProcessor" in state:
            yield from states_of(state["ItemProcessor"])


def tasks_that_buy() -> dict[str, dict[str, Any]]:
    states = [found for name in (SINGLE, BATCH) for found in states_of(read_definition(name))]
    return {name: state for name, state in states if name.startswith("GenerateImage") and state["Type"] == "Task"}


def retried(task: dict[str, Any]) -> list[str]:
    return [name for retrier in task["Retry"] for name in retrier["ErrorEquals"]]


@pytest.mark.parametrize("name", tasks_that_buy())
def test_every_retryable_error_is_retried_once_named_and_nothing_else_is(name: str) -> None:
    assert Counter(retried(tasks_that_buy()[name])) == Counter(RETRYABLE | LAMBDA)


def test_every_other_error_is_listed_as_final() -> None:
    assert BY_CODE.keys() - RETRYABLE == FINAL


def test_counting_is_retried_for_storage_and_lambda_alone() -> None:
    task = dict(states_of(read_definition(BATCH)))["CountResults"]

    assert Counter(retried(task)) == Counter({"StorageError"} | LAMBDA)


def test_every_task_that_buys_retries_alike_and_says_how_much_it_can_take() -> None:
    tasks = tasks_that_buy()
    single = tasks["GenerateImage"]

    assert len(tasks) == 4
    for task in tasks.values():
        assert task["Retry"] == single["Retry"]
        client_context = json.loads(base64.b64decode(task["Parameters"]["ClientContext"]))
        assert client_context == {"custom": {"answer_bytes": str(STEP_FUNCTIONS_ANSWER_BYTES)}}


def test_the_documented_task_is_the_machine_s_own_with_the_key_given() -> None:
    [block] = re.findall(r"```yaml\n(GenerateImage:.*?)```", README.read_text("utf-8"), re.DOTALL)
    documented = definition_of(block, SUBSTITUTIONS)["GenerateImage"]
    task = tasks_that_buy()["GenerateImage"]

    payload = documented["Parameters"].pop("Payload")
    assert task["Parameters"].pop("Payload.$") == "$"
    assert documented == task
    assert payload["idempotency_key.$"] == "$$.Execution.Name"


def test_the_documented_pictures_show_every_state() -> None:
    pictures = "".join(re.findall(r"```mermaid\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL))
    # What fills a blank is shown once for all columns, and the items of JSON Lines by those of JSON.
    left_out = {"FillClient", "FillCredentials", "FillNextModule"}
    shown = set(re.findall(r"\w+", pictures))

    for name in (SINGLE, BATCH):
        states = {state for state, _ in states_of(read_definition(name))}
        assert {state for state in states - left_out - shown if "JsonLines" not in state} == set()


def test_every_wait_is_jittered_and_capped() -> None:
    for name in (SINGLE, BATCH):
        for _, state in states_of(read_definition(name)):
            for retrier in state.get("Retry", []):
                assert retrier["JitterStrategy"] == "FULL"
                assert retrier["MaxDelaySeconds"] <= 300


def test_nothing_is_caught_so_that_a_failed_execution_can_be_redriven() -> None:
    for name in (SINGLE, BATCH):
        assert not [state for state, content in states_of(read_definition(name)) if "Catch" in content]


def test_names_of_states_are_unique_in_the_whole_machine() -> None:
    """AWS: DUPLICATE_STATE_NAME."""
    names = Counter(name for name, _ in states_of(read_definition(BATCH)))

    assert max(names.values()) == 1


def test_json_and_json_lines_differ_in_the_reader_alone() -> None:
    states = read_definition(BATCH)["States"]
    written = json.dumps(states["GenerateImagesOfJsonLines"])

    as_json = json.loads(written.replace("JsonLines", "Json").replace('"JSONL"}, "Parameters', '"JSON"}, "Parameters'))

    assert as_json == states["GenerateImagesOfJson"]


def test_every_format_is_read_counted_and_written_alike() -> None:
    maps = [state for state in read_definition(BATCH)["States"].values() if state["Type"] == "Map"]
    shared = ("MaxConcurrencyPath", "ToleratedFailurePercentagePath", "ResultWriter", "ResultPath", "Next")

    assert len(maps) == 3
    assert {json.dumps([state[field] for field in shared]) for state in maps} == {
        json.dumps([maps[0][field] for field in shared])
    }
    assert {state["ItemProcessor"]["ProcessorConfig"]["ExecutionType"] for state in maps} == {"STANDARD"}


def test_every_definition_is_tested() -> None:
    assert {path.name for path in DEFINITIONS.iterdir()} == {f"{SINGLE}.asl.yaml", f"{BATCH}.asl.yaml"}


def test_aws_schema_accepts_the_definitions(tmp_path: Path) -> None:
    """cfn-lint checks a definition only where it stands in the template itself."""
    template = tmp_path / "template.json"
    machines = {
        "".join(word.capitalize() for word in name.split("_")): {
            "Type": "AWS::StepFunctions::StateMachine",
            "Properties": {"RoleArn": "arn:aws:iam::123456789012:role/states", "Definition": read_definition(name)},
        }
        for name in (SINGLE, BATCH)
    }
    template.write_text(json.dumps({"AWSTemplateFormatVersion": "2010-09-09", "Resources": machines}))

    found = subprocess.run([CFN_LINT, template], capture_output=True, text=True, check=False)

    assert (found.returncode, found.stdout + found.stderr) == (0, "")
