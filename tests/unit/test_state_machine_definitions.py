"""The definitions of the state machines: their retries and their schema."""

import base64
import json
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from generate_image.aws.executions import TRANSIENT_ERRORS
from generate_image.errors import ERRORS_BY_CODE
from generate_image.event import STEP_FUNCTIONS_ANSWER_BYTES
from local.state_machines import (
    DEFINITIONS,
    GENERATE_IMAGE,
    GENERATE_IMAGES_BATCH,
    SUBSTITUTIONS,
    definition_of,
    definition_text,
)

MACHINES = (GENERATE_IMAGE, GENERATE_IMAGES_BATCH)
RETRYABLE = {code for code, error in ERRORS_BY_CODE.items() if error.retryable} - {"StepFunctionsError"}
"""StepFunctionsError is the API function's own."""
LAMBDA_ERRORS = {name for name in TRANSIENT_ERRORS if name.startswith(("Lambda.", "Runtime.", "Sandbox."))}
"""https://docs.aws.amazon.com/step-functions/latest/dg/sfn-best-practices.html (transient Lambda errors)"""


def states_of(machine: str) -> dict[str, dict[str, Any]]:
    """Return every state by name; those inside a Map included."""

    def inner(definition: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        for name, state in definition["States"].items():
            yield name, state
            if "ItemProcessor" in state:
                yield from inner(state["ItemProcessor"])

    return dict(inner(definition_of(definition_text(machine), SUBSTITUTIONS)))


@pytest.mark.parametrize(
    ("machine", "task", "errors"),
    [
        (GENERATE_IMAGE, "GenerateImage", RETRYABLE),
        (GENERATE_IMAGES_BATCH, "PrepareList", {"StorageError"}),
        (GENERATE_IMAGES_BATCH, "CountResults", {"StorageError"}),
        (GENERATE_IMAGES_BATCH, "RunStep", {"StorageError", "RateLimitedError", "ProviderUnavailableError"}),
    ],
)
def test_task_retries_each_transient_error_once(machine: str, task: str, errors: set[str]) -> None:
    retriers = states_of(machine)[task]["Retry"]

    assert Counter(name for retrier in retriers for name in retrier["ErrorEquals"]) == Counter(errors | LAMBDA_ERRORS)
    assert {retrier["JitterStrategy"] for retrier in retriers} == {"FULL"}
    assert max(retrier["MaxDelaySeconds"] for retrier in retriers) <= 300


@pytest.mark.parametrize("machine", MACHINES)
def test_nothing_is_caught_so_each_failure_can_be_redriven(machine: str) -> None:
    assert not [name for name, state in states_of(machine).items() if "Catch" in state or state["Type"] == "Fail"]


def test_both_machines_and_the_document_buy_with_one_task() -> None:
    single, batch = (states_of(machine)["GenerateImage"] for machine in MACHINES)
    document = (DEFINITIONS.parent / "docs/batches.md").read_text("utf-8")
    [block] = re.findall(r"```yaml\n(GenerateImage:.*?)```", document, re.DOTALL)
    documented = definition_of(block, SUBSTITUTIONS)["GenerateImage"]

    assert single == batch
    client_context = json.loads(base64.b64decode(single["Parameters"]["ClientContext"]))
    assert client_context == {"custom": {"answer_bytes": str(STEP_FUNCTIONS_ANSWER_BYTES)}}
    assert documented["Parameters"].pop("Payload")["idempotency_key.$"] == "$$.Execution.Name"
    assert single["Parameters"].pop("Payload.$") == "$"
    assert documented == single


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        pytest.param("RequestInProgressError", 2 * 305, id="leases of two killed invocations"),
        pytest.param("RateLimitedError", 10 * 84 * 60 / 5, id="ten rounds of 84 items at 5 a minute"),
    ],
)
def test_retries_outlast_their_cause(error: str, seconds: float) -> None:
    """With jitter, a wait has half of its longest time on average."""
    [retrier] = [one for one in states_of(GENERATE_IMAGE)["GenerateImage"]["Retry"] if error in one["ErrorEquals"]]
    waits = [min(retrier["MaxDelaySeconds"], 5 * 2**attempt) for attempt in range(retrier["MaxAttempts"])]

    assert (retrier["IntervalSeconds"], retrier["BackoffRate"]) == (5, 2)
    assert sum(waits) / 2 > seconds


@pytest.mark.slow
def test_aws_schema_accepts_the_definitions(tmp_path: Path) -> None:
    """cfn-lint checks a definition only inside a template."""
    template = tmp_path / "template.json"
    machines = {
        name.replace("_", ""): {
            "Type": "AWS::StepFunctions::StateMachine",
            "Properties": {
                "RoleArn": "arn:aws:iam::123456789012:role/states",
                "Definition": definition_of(definition_text(name), SUBSTITUTIONS),
            },
        }
        for name in MACHINES
    }
    template.write_text(json.dumps({"AWSTemplateFormatVersion": "2010-09-09", "Resources": machines}))

    checked = subprocess.run(
        [DEFINITIONS.parent / ".venv-sam/bin/cfn-lint", template], capture_output=True, text=True, check=False
    )

    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
