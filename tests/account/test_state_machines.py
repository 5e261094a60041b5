"""The template's own definitions: checked, and executed for one picture, a list, and a list at half the price."""

import base64
import json
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import pytest

from generate_image.aws.executions import TRANSIENT_ERRORS
from generate_image.errors import ERRORS_BY_CODE
from generate_image.event import STEP_FUNCTIONS_ANSWER_BYTES
from local.account import NAMESPACE, Account
from local.lambda_context import LocalContext
from local.openai_stand_in import StandIn
from local.state_machines import (
    DEFINITIONS,
    GENERATE_IMAGE,
    GENERATE_IMAGES_BATCH,
    SUBSTITUTIONS,
    definition_of,
    definition_text,
)
from tests.events import event_for
from tests.machines import Execution, Machines

MACHINES = (GENERATE_IMAGE, GENERATE_IMAGES_BATCH)
RETRYABLE = {code for code, error in ERRORS_BY_CODE.items() if error.retryable} - {"StepFunctionsError"}
"""StepFunctionsError is the API function's own."""
LAMBDA_ERRORS = TRANSIENT_ERRORS - {"ABORTED", "TIMED_OUT", "States.Timeout"}
"""https://docs.aws.amazon.com/step-functions/latest/dg/sfn-best-practices.html (transient Lambda errors)"""


def all_states(definition: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return every state by name; those inside a Map included."""
    states = dict(definition["States"])
    for state in definition["States"].values():
        states |= all_states(state.get("ItemProcessor", {"States": {}}))
    return states


STATES = {machine: all_states(definition_of(definition_text(machine), SUBSTITUTIONS)) for machine in MACHINES}


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
    retriers = STATES[machine][task]["Retry"]
    assert Counter(name for retrier in retriers for name in retrier["ErrorEquals"]) == Counter(errors | LAMBDA_ERRORS)
    assert {retrier["JitterStrategy"] for retrier in retriers} == {"FULL"}
    assert max(retrier["MaxDelaySeconds"] for retrier in retriers) <= 300


def test_nothing_is_caught_so_each_failure_can_be_redriven() -> None:
    states = [state for machine in MACHINES for state in STATES[machine].values()]
    assert not [state for state in states if "Catch" in state or state["Type"] == "Fail"]


def test_both_machines_and_the_document_buy_with_one_task() -> None:
    single, batch = (STATES[machine]["GenerateImage"] for machine in MACHINES)
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
    ("error", "seconds"), [("RequestInProgressError", 2 * 305), ("RateLimitedError", 10 * 84 * 60 / 5)]
)
def test_retries_outlast_their_cause(error: str, seconds: float) -> None:
    """The leases of two killed invocations; ten rounds of 84 items at 5 a minute.

    With jitter, a wait has half of its longest time on average.
    """
    [retrier] = [one for one in STATES[GENERATE_IMAGE]["GenerateImage"]["Retry"] if error in one["ErrorEquals"]]
    waits = [min(retrier["MaxDelaySeconds"], 5 * 2**attempt) for attempt in range(retrier["MaxAttempts"])]
    assert (retrier["IntervalSeconds"], retrier["BackoffRate"]) == (5, 2)
    assert sum(waits) / 2 > seconds


@pytest.mark.slow
def test_aws_schema_accepts_the_definitions(tmp_path: Path) -> None:
    """cfn-lint checks a definition only inside a template."""
    template = tmp_path / "template.json"
    properties = {"RoleArn": "arn:aws:iam::123456789012:role/states"}
    machines = {
        name.replace("_", ""): {
            "Type": "AWS::StepFunctions::StateMachine",
            "Properties": properties | {"Definition": definition_of(definition_text(name), SUBSTITUTIONS)},
        }
        for name in MACHINES
    }
    template.write_text(json.dumps({"AWSTemplateFormatVersion": "2010-09-09", "Resources": machines}))
    subprocess.run([DEFINITIONS.parent / ".venv-sam/bin/cfn-lint", template], check=True)


BATCH = {"pricing": "batch", "max_concurrency": 1}
ITEMS: list[dict[str, Any]] = [
    {"id": "first", "nextModule": "next", "data": {"prompt_image": "Boat one", "order": {"number": 4711}}},
    {"id": 2, "config": {"prompt": "Boat two"}},
    {"data": {"prompt": "Boat three"}},
]


@pytest.fixture
def machines(account: Account, stand_in: StandIn) -> Iterator[Machines]:
    account.create_secret({"apiKey": stand_in.api_key})
    with Machines(account, stand_in).running() as running:
        yield running
    log = running.log.getvalue()
    assert [secret for secret in (stand_in.api_key, "Boat") if secret in log] == []


@pytest.mark.parametrize(("given", "key"), [({}, "order-4711"), ({"idempotency_key": "pedido"}, "pedido")])
def test_every_attempt_requests_the_same_picture(machines: Machines, given: dict[str, Any], key: str) -> None:
    """Without a key in the event, it is the name of the execution."""
    machines.stand_in.script("server_error", times=3)  # one invocation sends three requests
    event = event_for("unused", nextModule="next", data=ITEMS[0]["data"], **given)

    answer = machines.run(GENERATE_IMAGE, event, name="order-4711").output

    assert (answer["nextModule"], answer["data"]["order"]) == ("next", {"number": 4711})
    assert answer["_meta_"]["image_id"] == str(uuid5(UUID(NAMESPACE), f"1/{key}"))
    assert (len(machines.waits), machines.stand_in.ledger()["billed"]) == (1, 1)


def test_list_without_items_has_totals_of_zero(machines: Machines) -> None:
    for pricing in ("standard", "batch"):
        output = machines.run_batch([], pricing=pricing).output
        assert (output["asked"], output["results"]) == (0, None)


def test_redriven_batch_buys_only_missing_pictures(machines: Machines) -> None:
    """AWS stops a batch with more failures than tolerated; here, the second of three items fails."""
    machines.stand_in.script("insufficient_quota", prompt_contains="Boat two")
    failed = machines.run_batch(ITEMS, tolerated_failure_percentage=33, max_concurrency=1)
    billed = machines.stand_in.ledger()["billed"]
    redriven = machines.redrive(failed)

    assert (failed.error, billed) == ("States.ExceedToleratedFailureThreshold", 1)
    assert (redriven.output["bought"], redriven.output["replayed"]) == (2, 1)


REQUESTS = 21 * 3  # invocations by Step Functions, each with three requests
# fault, items of 300 that meet it, times for each, and the error of the item, or None for a picture
FAULTS = [
    ("rate_limit_retry_after", 9, 4, None),
    ("server_error", 9, 4, None),
    ("closed_before_billing", 5, 1, "OutcomeUnknownError"),
    ("reset_after_billing", 5, 1, "OutcomeUnknownError"),
    ("moderation_blocked", 8, 1, "ContentRejectedError"),
    ("data_empty", 5, 1, "ProviderResponseError"),
    ("server_is_overloaded", 4, REQUESTS, "ProviderUnavailableError"),
]
INVALID_ITEMS: list[Any] = [None, "A quay", {"id": "none"}, {"data": {"prompt": " "}}, {"data": 1}, {"data": {}}]


@pytest.mark.parametrize("share", [pytest.param(1, marks=pytest.mark.slow), 10])
def test_faulty_batch_bills_each_item_at_most_once(machines: Machines, share: int) -> None:
    """share: of 300 items. A second start of the batch buys the pictures that failed for a transient reason."""
    count = 300 // share
    prompts = [f"Boat {number:03}" for number in range(count)]
    items: list[Any] = [{"id": number, "data": {"prompt": prompt}} for number, prompt in enumerate(prompts)]
    expected: dict[int, str | None] = dict.fromkeys(range(count))
    places = iter(range(0, count, 5 if share == 1 else 2))
    for fault, number_of_items, times, error in FAULTS:
        for number in (next(places) for _ in range(max(1, number_of_items // share))):
            machines.stand_in.script(fault, times=times, prompt_contains=prompts[number])
            expected[number] = error
    for invalid, number in zip(INVALID_ITEMS, places, strict=False):
        items[number], expected[number] = invalid, "InvalidRequestError"
    transient = {number for number, error in expected.items() if error == "ProviderUnavailableError"}

    first = machines.run_batch(items, max_concurrency=8)
    ledger = machines.stand_in.ledger()

    assert errors_by_place(machines, first) == expected
    assert first.output["failed"] == Counter(error for error in expected.values() if error)
    assert (first.output["bought"], first.output["replayed"]) == (list(expected.values()).count(None), 0)
    bought_usd = ledger["usd"] * first.output["bought"] / ledger["billed"]
    assert first.output["cost_usd"] == pytest.approx(bought_usd, rel=0.02)

    second = machines.run_batch(items, max_concurrency=8)

    assert errors_by_place(machines, second) == expected | dict.fromkeys(transient)
    assert (second.output["bought"], second.output["replayed"]) == (len(transient), first.output["bought"])
    billed = machines.stand_in.ledger()
    assert billed["billed"] - ledger["billed"] == len(transient)
    assert max(counts["billed"] for counts in billed["by_prompt"].values()) == 1


def errors_by_place(machines: Machines, execution: Execution) -> dict[int, str | None]:
    """Return the error of each item by its place in the list, or None. Each item has one result."""
    results = machines.results(execution)
    errors = {int(result["Name"]): result.get("Error") for result in results}
    assert len(errors) == len(results) == execution.output["asked"]
    return errors


def test_standard_pricing_buys_what_a_batch_did_not(machines: Machines) -> None:
    """The batch of the second client expires; the first client pays half."""
    items = [ITEMS[0], ITEMS[1] | {"client_id": 2}]
    machines.stand_in.batches.faults.extend(["", "never_ends"])

    half = machines.run_batch(items, **BATCH)
    paid = machines.stand_in.ledger()["usd"]
    standard = machines.run_batch(items).output

    assert (half.output["asked"], half.output["bought"]) == (2, 1)
    assert half.output["failed"] == {"ProviderUnavailableError": 1}
    assert half.output["saved_usd"] == half.output["cost_usd"] == pytest.approx(paid, abs=0.0001)
    assert (standard["bought"], standard["replayed"], standard["saved_usd"]) == (1, 1, 0)
    assert standard["cost_usd"] == pytest.approx(2 * paid, abs=0.0002)
    [answer] = [json.loads(result["Output"]) for result in machines.results(half) if "Output" in result]
    assert (answer["nextModule"], answer["data"]["order"]) == ("next", {"number": 4711})
    assert answer["_meta_"]["replayed"] is False


def test_shard_that_fails_gives_its_error_to_each_item(machines: Machines) -> None:
    def fail(*_: object) -> Any:  # noqa: ANN401  # never returns
        raise KeyError("defect")

    machines.batch_shards = fail
    assert machines.run_batch(ITEMS, **BATCH).output["failed"] == {"KeyError": 3}


def test_interrupted_import_goes_on_after_a_redrive(machines: Machines) -> None:
    """The three items are two shards."""
    buy, following = machines.batch_shards, []

    def interrupted(step: Any, context: LocalContext) -> Any:  # noqa: ANN401  # JSON
        if step["step"] != "import":
            return buy(step, context)
        following.append(buy(step, LocalContext(seconds=61.0))["next"])  # the time for one line
        raise KeyError("a defect in the middle of the import")

    machines.batch_shards = interrupted
    failed = machines.run_batch(ITEMS, tolerated_failure_percentage=0, **BATCH)
    machines.batch_shards = buy
    redriven = machines.redrive(failed)

    assert (failed.status, following) == ("FAILED", ["import"])
    assert (redriven.output["bought"], redriven.output["failed"]) == (3, {})
    assert (len(machines.results(redriven)), len(machines.stand_in.batches.batches)) == (3, 2)
    assert machines.stand_in.ledger()["billed"] == machines.log.getvalue().count("picture bought") == 3
