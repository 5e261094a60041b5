"""The definitions of the state machines: their retries, their size, and the simulation behind the retries."""

import base64
import heapq
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
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


def retried(task: dict[str, Any]) -> Counter[str]:
    return Counter(name for retrier in task["Retry"] for name in retrier["ErrorEquals"])


@pytest.mark.parametrize("machine", MACHINES)
def test_purchase_retries_every_transient_error_once(machine: str) -> None:
    assert retried(states_of(machine)["GenerateImage"]) == Counter(RETRYABLE | LAMBDA_ERRORS)


@pytest.mark.parametrize("name", ["PrepareList", "CountResults"])
def test_other_tasks_retry_storage_and_lambda_errors(name: str) -> None:
    assert retried(states_of(GENERATE_IMAGES_BATCH)[name]) == Counter({"StorageError"} | LAMBDA_ERRORS)


def test_step_of_a_shard_retries_transient_errors_once() -> None:
    expected = {"StorageError", "RateLimitedError", "ProviderUnavailableError"} | LAMBDA_ERRORS
    assert retried(states_of(GENERATE_IMAGES_BATCH)["RunStep"]) == Counter(expected)


def test_both_machines_buy_with_the_same_task() -> None:
    single, batch = (states_of(machine)["GenerateImage"] for machine in MACHINES)

    assert single == batch
    client_context = json.loads(base64.b64decode(single["Parameters"]["ClientContext"]))
    assert client_context == {"custom": {"answer_bytes": str(STEP_FUNCTIONS_ANSWER_BYTES)}}


def test_documented_task_equals_the_machines_own() -> None:
    text = (DEFINITIONS.parent / "docs/batches.md").read_text("utf-8")
    [block] = re.findall(r"```yaml\n(GenerateImage:.*?)```", text, re.DOTALL)
    documented = definition_of(block, SUBSTITUTIONS)["GenerateImage"]
    own = states_of(GENERATE_IMAGE)["GenerateImage"]

    payload = documented["Parameters"].pop("Payload")
    assert own["Parameters"].pop("Payload.$") == "$"
    assert documented == own
    assert payload["idempotency_key.$"] == "$$.Execution.Name"


@pytest.mark.parametrize("machine", MACHINES)
def test_every_retry_has_jitter_and_a_longest_wait(machine: str) -> None:
    retriers = [retrier for state in states_of(machine).values() for retrier in state.get("Retry", [])]

    assert {retrier["JitterStrategy"] for retrier in retriers} == {"FULL"}
    assert max(retrier["MaxDelaySeconds"] for retrier in retriers) <= 300


@pytest.mark.parametrize("machine", MACHINES)
def test_nothing_is_caught_so_each_failure_can_be_redriven(machine: str) -> None:
    assert not [name for name, state in states_of(machine).items() if "Catch" in state or state["Type"] == "Fail"]


def test_an_item_takes_at_most_three_transitions() -> None:
    processor = states_of(GENERATE_IMAGES_BATCH)["GenerateImages"]["ItemProcessor"]

    assert len(processor["States"]) + 2 <= 3  # its start and its end may count


[RATE_LIMIT] = [
    retrier
    for retrier in states_of(GENERATE_IMAGE)["GenerateImage"]["Retry"]
    if "RateLimitedError" in retrier["ErrorEquals"]
]
LATENCY_SECONDS = 20.0
REFUSAL_SECONDS = 1.5
"""The module's own three attempts."""


@dataclass(frozen=True)
class Outcome:
    seconds: float
    most_attempts: int
    exhausted: int


def run_list(items: int, per_minute: float, concurrency: int, seed: int) -> Outcome:
    """Simulate a batch under a rate limit that is a token bucket.

    An item keeps its place in the Map until it has its picture, through every wait.
    """
    random = Random(seed)
    tokens, filled_at, most_attempts, exhausted, now = per_minute, 0.0, 0, 0, 0.0
    waiting = list(range(items, 0, -1))
    events = [(0.0, waiting.pop(), 0) for _ in range(min(concurrency, items))]
    heapq.heapify(events)
    while events:
        now, item, attempts = heapq.heappop(events)
        tokens, filled_at = min(per_minute, tokens + (now - filled_at) * per_minute / 60), now
        most_attempts = max(most_attempts, attempts)
        if tokens >= 1:
            tokens -= 1
            done = now + LATENCY_SECONDS
        elif attempts < RATE_LIMIT["MaxAttempts"]:
            longest = RATE_LIMIT["IntervalSeconds"] * RATE_LIMIT["BackoffRate"] ** min(attempts, 30)
            wait = random.uniform(0, min(longest, RATE_LIMIT["MaxDelaySeconds"]))
            heapq.heappush(events, (now + REFUSAL_SECONDS + wait, item, attempts + 1))
            continue
        else:
            exhausted, done = exhausted + 1, now
        if waiting:
            heapq.heappush(events, (done, waiting.pop(), 0))
        now = done
    return Outcome(now, most_attempts, exhausted)


@pytest.mark.parametrize("concurrency", [5, 20, 84])
@pytest.mark.parametrize("seed", range(3))
def test_account_with_five_pictures_a_minute_finishes_a_list(concurrency: int, seed: int) -> None:
    outcome = run_list(2_000, per_minute=5, concurrency=concurrency, seed=seed)

    assert outcome.exhausted == 0
    assert outcome.most_attempts <= RATE_LIMIT["MaxAttempts"] * 0.75
    assert outcome.seconds < 1.1 * 2_000 / 5 * 60


@pytest.mark.parametrize("seed", range(3))
def test_account_with_250_pictures_a_minute_is_not_slowed(seed: int) -> None:
    enough = round(250 / 60 * LATENCY_SECONDS) + 1

    outcome = run_list(10_000, per_minute=250, concurrency=enough, seed=seed)

    assert outcome.exhausted == 0
    assert outcome.seconds < 1.05 * (10_000 / 250 * 60 + LATENCY_SECONDS)
