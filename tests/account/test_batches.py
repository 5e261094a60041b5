"""A list of pictures: the template's own definition, executed."""

import json
from collections import Counter
from typing import Any

import pytest

from local.state_machines import GENERATE_IMAGES_BATCH
from tests.machines import Execution, Machines

ITEMS: list[dict[str, Any]] = [
    {"id": "first", "nextModule": "next", "data": {"prompt_image": "Boat one", "order": {"number": 4711}}},
    {"id": 2, "config": {"prompt": "Boat two"}},
    {"data": {"prompt": "Boat three"}},
]


@pytest.mark.parametrize("pricing", ["standard", "batch"])
def test_list_without_items_has_totals_of_zero(machines: Machines, pricing: str) -> None:
    execution = machines.run_batch("lists/a.json", "[]", pricing=pricing)

    assert (execution.status, execution.output["asked"], execution.output["results"]) == ("SUCCEEDED", 0, None)


def test_broken_list_buys_nothing(machines: Machines) -> None:
    execution = machines.run_batch("lists/a.jsonl", f"{json.dumps(ITEMS[2])}\n" * 10 + '{"data')

    assert (execution.status, execution.error) == ("FAILED", "InvalidRequestError")
    assert "line 11 is not JSON" in execution.message
    assert machines.stand_in.ledger()["requests"] == 0


def test_redriven_batch_buys_only_missing_pictures(machines: Machines) -> None:
    """AWS stops a batch with more failures than tolerated; here, the second of three items fails."""
    machines.stand_in.script("insufficient_quota", times=1, match={"prompt_contains": "Boat two"})
    failed = machines.run_batch(
        "lists/spring.json", json.dumps(ITEMS), tolerated_failure_percentage=33, max_concurrency=1
    )
    billed = machines.stand_in.ledger()["billed"]

    redriven = machines.redrive(GENERATE_IMAGES_BATCH, failed)

    assert (failed.error, billed) == ("States.ExceedToleratedFailureThreshold", 1)
    assert (redriven.output["bought"], redriven.output["replayed"]) == (2, 1)


RETRIES = 1 + 20  # invocations by Step Functions,
ATTEMPTS = 3  # each with so many requests
# fault, items of 300 that meet it, times for each, and the error of the item, or None for a picture
FAULTS = [
    ("rate_limit_exceeded", 9, 4, None),
    ("rate_limit_retry_after", 9, 4, None),
    ("server_error", 9, 4, None),
    ("closed_before_billing", 5, 1, "OutcomeUnknownError"),
    ("reset_after_billing", 5, 1, "OutcomeUnknownError"),
    ("moderation_blocked", 8, 1, "ContentRejectedError"),
    ("data_empty", 5, 1, "ProviderResponseError"),
    ("server_is_overloaded", 4, RETRIES * ATTEMPTS, "ProviderUnavailableError"),
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
            machines.stand_in.script(fault, times=times, match={"prompt_contains": prompts[number]})
            expected[number] = error
    for invalid, number in zip(INVALID_ITEMS, places, strict=False):
        items[number], expected[number] = invalid, "InvalidRequestError"
    transient = {number for number, error in expected.items() if error == "ProviderUnavailableError"}

    first = machines.run_batch("lists/boats.json", json.dumps(items), max_concurrency=8)
    ledger = machines.stand_in.ledger()

    assert errors_by_place(machines, first) == expected
    assert first.output["failed"] == Counter(error for error in expected.values() if error)
    assert (first.output["bought"], first.output["replayed"]) == (list(expected.values()).count(None), 0)
    assert first.output["cost_usd"] == pytest.approx(
        ledger["usd"] * first.output["bought"] / ledger["billed"], rel=0.02
    )
    assert max(machines.billed(prompt) for prompt in prompts) == 1
    assert sum(machines.billed(prompts[number]) for number in transient) == 0

    second = machines.run_batch("lists/boats.json", json.dumps(items), max_concurrency=8)

    assert errors_by_place(machines, second) == expected | dict.fromkeys(transient)
    assert (second.output["bought"], second.output["replayed"]) == (len(transient), first.output["bought"])
    assert machines.stand_in.ledger()["billed"] - ledger["billed"] == len(transient)
    assert {machines.billed(prompts[number]) for number in transient} == {1}


def errors_by_place(machines: Machines, execution: Execution) -> dict[int, str | None]:
    """Return the error of each item by its place in the list, or None. Each item has one result."""
    results = machines.results(execution)
    errors = {int(result["Name"]): result.get("Error") for result in results}
    assert len(errors) == len(results) == execution.output["asked"]
    return errors
