"""The definitions of the state machines: their retries, their schema, and the simulation behind the retries."""

import base64
import heapq
import json
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
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
        (GENERATE_IMAGES_BATCH, "GenerateImage", RETRYABLE),
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


def test_retries_outlast_the_lease_of_a_killed_invocation() -> None:
    [retrier] = [one for one in states_of(GENERATE_IMAGE)["GenerateImage"]["Retry"] if len(one["ErrorEquals"]) == 1]
    longest = [min(60, 5 * 2**attempt) for attempt in range(retrier["MaxAttempts"])]

    assert retrier["ErrorEquals"] == ["RequestInProgressError"]
    assert sum(longest) / 2 > 2 * 305  # with jitter, half of it on average


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


RATE_LIMIT = states_of(GENERATE_IMAGE)["GenerateImage"]["Retry"][0]
LATENCY_SECONDS = 20.0
REFUSAL_SECONDS = 1.5
"""The module's own three attempts."""


def run_list(items: int, per_minute: float, concurrency: int, seed: int) -> tuple[float, int]:
    """Simulate a batch under a rate limit that is a token bucket. Return its seconds and the most retries of an item.

    An item keeps its place in the Map until it has its picture, through every wait.
    """
    random = Random(seed)
    tokens, filled_at, most_retries, now = per_minute, 0.0, 0, 0.0
    waiting = items - concurrency
    events = [(0.0, place, 0) for place in range(concurrency)]
    while events:
        now, place, retries = heapq.heappop(events)
        tokens, filled_at = min(per_minute, tokens + (now - filled_at) * per_minute / 60), now
        most_retries = max(most_retries, retries)
        if tokens < 1:
            longest = RATE_LIMIT["IntervalSeconds"] * RATE_LIMIT["BackoffRate"] ** min(retries, 30)
            wait = random.uniform(0, min(longest, RATE_LIMIT["MaxDelaySeconds"]))
            heapq.heappush(events, (now + REFUSAL_SECONDS + wait, place, retries + 1))
            continue
        tokens -= 1
        now += LATENCY_SECONDS
        if waiting:
            waiting -= 1
            heapq.heappush(events, (now, place, 0))
    return now, most_retries


@pytest.mark.parametrize(
    ("items", "per_minute", "concurrency", "slower"),
    [(2_000, 5, 5, 1.1), (2_000, 5, 20, 1.1), (2_000, 5, 84, 1.1), (10_000, 250, 84, 1.05)],
)
def test_retries_finish_a_list_at_the_rate_of_the_account(
    items: int, per_minute: int, concurrency: int, slower: float
) -> None:
    for seed in range(3):
        seconds, most_retries = run_list(items, per_minute, concurrency, seed)

        assert seconds < slower * (items / per_minute * 60 + LATENCY_SECONDS)
        assert most_retries <= RATE_LIMIT["MaxAttempts"] * 0.75
