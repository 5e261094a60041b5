"""A list of pictures: the template's own definition, executed."""

import csv
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import sha256
from io import StringIO
from typing import Any

import pytest

from generate_image.errors import BY_CODE
from local.account import BUCKET, CREDENTIALS_ID
from tests.statemachines.flow import BATCH, Execution, Flow, scripted

ITEMS: list[dict[str, Any]] = [
    {"id": "first", "nextModule": "next", "data": {"prompt_image": "A lighthouse", "order": {"number": 4711}}},
    {"id": 2, "config": {"prompt": "A harbour"}},
    {"data": {"prompt": "A ferry"}},
]


def as_json(items: Sequence[object]) -> str:
    return json.dumps(items)


def as_json_lines(items: Sequence[object]) -> str:
    return "\n".join([*map(json.dumps, items), "", ""])


def as_csv(rows: Sequence[Mapping[str, object]]) -> str:
    written = StringIO()
    writer = csv.DictWriter(written, fieldnames=list({name: None for row in rows for name in row}))
    writer.writeheader()
    writer.writerows(rows)
    return written.getvalue()


def events_asked(flow: Flow, key: str, content: str, **given: object) -> list[dict[str, Any]]:
    """Return the events that a batch makes of its list, in its order."""
    asked: list[dict[str, Any]] = []

    def buy(event: Any, context: object) -> dict[str, Any]:  # noqa: ANN401  # whatever the machine sends
        del context
        asked.append(event)
        return {"_meta_": {"replayed": False}}

    flow.buy = buy
    flow.run_batch(key, content, name="spring", max_concurrency=1, **given)
    return asked


@pytest.mark.parametrize(("key", "write"), [("lists/a.json", as_json), ("lists/a.jsonl", as_json_lines)])
def test_an_item_is_an_event_with_what_is_given_for_all(flow: Flow, key: str, write: Any) -> None:  # noqa: ANN401
    everything: dict[str, Any] = {
        "id": 4,
        "client_id": "acme",
        "config": {"credentials_id": "theirs", "prompt": "A quay"},
    }

    events = events_asked(flow, key, write([*ITEMS, everything]), nextModule="common")

    credentials = {"credentials_id": CREDENTIALS_ID}
    assert events == [
        {
            "client_id": 1,
            "nextModule": "next",
            "config": credentials,
            "data": ITEMS[0]["data"],
            "idempotency_key": "spring/first",
        },
        {
            "client_id": 1,
            "nextModule": "common",
            "config": {**credentials, "prompt": "A harbour"},
            "data": {},
            "idempotency_key": "spring/2",
        },
        {
            "client_id": 1,
            "nextModule": "common",
            "config": credentials,
            "data": {"prompt": "A ferry"},
            "idempotency_key": "spring/#2",
        },
        {
            "client_id": "acme",
            "nextModule": "common",
            "config": everything["config"],
            "data": {},
            "idempotency_key": "spring/4",
        },
    ]


def test_a_row_is_the_data_of_an_event_and_a_blank_cell_is_left_out(flow: Flow) -> None:
    full = {
        "id": "a",
        "client_id": "acme",
        "credentials_id": "theirs",
        "nextModule": "next",
        "prompt": 'A quay, with "quotes" and\na new line',
    }
    blank = dict.fromkeys(full, "") | {"prompt": "A ferry"}

    events = events_asked(flow, "lists/a.csv", as_csv([full, blank]), nextModule="common")

    assert events == [
        {
            "client_id": "acme",
            "nextModule": "next",
            "config": {"credentials_id": "theirs"},
            "data": full,
            "idempotency_key": "spring/a",
        },
        {
            "client_id": 1,
            "nextModule": "common",
            "config": {"credentials_id": CREDENTIALS_ID},
            "data": blank,
            "idempotency_key": "spring/#1",
        },
    ]


def test_what_is_blank_for_all_is_told_by_the_module_and_not_filled_in_for_ever(flow: Flow) -> None:
    rows = as_csv([{"id": "a", "client_id": "", "credentials_id": "", "nextModule": "", "prompt": "A quay"}])

    execution = flow.run_batch("lists/a.csv", rows, client_id="", credentials_id="", nextModule="")

    [result] = flow.results(execution)
    assert result["Error"] == "InvalidRequestError"


def test_the_execution_s_name_names_a_batch_that_has_none(flow: Flow) -> None:
    asked = []

    def buy(event: Any, context: object) -> dict[str, Any]:  # noqa: ANN401  # whatever the machine sends
        del context
        asked.append(event["idempotency_key"])
        return {"_meta_": {"replayed": False}}

    flow.buy = buy
    execution = flow.run_batch("lists/a.json", as_json(ITEMS[:1]))

    assert asked == [f"{execution.name}/first"]
    assert execution.output["name"] == execution.name


@pytest.mark.parametrize(
    "item", ["A lighthouse", 1, True, None, [], ["A lighthouse"], {}, {"id": 1}, {"id": "", "data": {}}]
)
def test_an_item_that_is_no_event_fails_and_the_rest_is_done(flow: Flow, item: object) -> None:
    execution = flow.run_batch("lists/a.json", as_json([item, *ITEMS[:2]]))

    [refused] = [result for result in flow.results(execution) if result["Status"] == "FAILED"]
    assert (refused["Error"], refused["Input"]["item"]) == ("InvalidRequestError", item)
    assert "must be an object with config or data" in refused["Cause"]
    assert (execution.output["asked"], execution.output["bought"]) == (3, 2)


def test_an_item_over_the_size_limit_fails_and_the_rest_is_done(flow: Flow) -> None:
    large = {"id": "large", "data": {"prompt_image": "A lighthouse", "ballast": "x" * 250_000}}

    execution = flow.run_batch("lists/a.json", as_json([large, *ITEMS]))

    [refused] = [result for result in flow.results(execution) if result["Status"] == "FAILED"]
    assert (refused["Input"]["item"]["id"], refused["Error"]) == ("large", "InvalidRequestError")
    assert execution.output["bought"] == len(ITEMS)


@pytest.mark.parametrize(
    ("key", "content", "error"),
    [
        ("lists/a.json", '[{"data": ', "States.ItemReaderFailed"),
        ("lists/a.json", '{"data": {}}', "States.ItemReaderFailed"),
        ("lists/a.jsonl", '{"data": {}}\n{"data', "States.ItemReaderFailed"),
        ("lists/a.csv", "prompt,prompt\nA quay,A ferry\n", "States.ItemReaderFailed"),
        ("lists/a.txt", "A quay", "InvalidRequestError"),
        ("temporal/cli_1/a.json", "[]", "InvalidRequestError"),
    ],
)
def test_a_malformed_list_is_a_clear_error_and_buys_nothing(flow: Flow, key: str, content: str, error: str) -> None:
    execution = flow.run_batch(key, content)

    assert (execution.status, execution.error) == ("FAILED", error)
    assert flow.module.stand_in.ledger()["requests"] == 0


@pytest.mark.parametrize("event", [{}, {"list": None}, {"list": 1}, {"list": "lists/missing.json"}])
def test_a_missing_list_is_a_clear_error(flow: Flow, event: dict[str, Any]) -> None:
    execution = flow.run(BATCH, event)

    assert execution.status == "FAILED"
    assert "list" in execution.message


@pytest.mark.parametrize(
    ("key", "content"), [("lists/a.json", "[]"), ("lists/a.jsonl", "\n"), ("lists/a.csv", "id,prompt\n")]
)
def test_an_empty_list_is_done_at_once(flow: Flow, key: str, content: str) -> None:
    execution = flow.run_batch(key, content)

    assert (execution.status, execution.output["asked"], execution.output["failed"]) == ("SUCCEEDED", 0, {})


@pytest.mark.parametrize(("tolerated", "status"), [(50, "SUCCEEDED"), (49, "FAILED"), (0, "FAILED")])
def test_more_failures_than_are_tolerated_stop_the_batch(flow: Flow, tolerated: int, status: str) -> None:
    flow.buy = scripted(*[BY_CODE["ContentRejectedError"]("No.")] * 2, answer={"_meta_": {"replayed": False}})
    items = [{"id": number, "data": {"prompt": "A quay"}} for number in range(4)]

    execution = flow.run_batch(
        "lists/a.json", as_json(items), tolerated_failure_percentage=tolerated, max_concurrency=1
    )

    assert execution.status == status
    assert execution.error == ("States.ExceedToleratedFailureThreshold" if status == "FAILED" else "")


def test_totals_tell_what_was_bought_what_was_replayed_and_what_it_cost(flow: Flow) -> None:
    first = flow.run_batch("lists/a.json", as_json(ITEMS[:2]), name="spring").output
    again = flow.run_batch("lists/a.json", as_json([*ITEMS, "A quay"]), name="spring").output

    price = first["cost_usd"] / 2
    assert price > 0
    assert (first["asked"], first["bought"], first["replayed"], first["failed"]) == (2, 2, 0, {})
    assert (again["asked"], again["bought"], again["replayed"]) == (4, 1, 2)
    assert again["failed"] == {"InvalidRequestError": 1}
    assert again["cost_usd"] == pytest.approx(price)
    assert again["results"].startswith(f"s3://{BUCKET}/results/")


def test_two_batches_of_one_list_are_two_purchases(flow: Flow) -> None:
    flow.run_batch("lists/a.json", as_json(ITEMS), name="spring")
    flow.run_batch("lists/a.json", as_json(ITEMS), name="summer")

    assert flow.module.stand_in.ledger()["billed"] == 2 * len(ITEMS)


COUNT = 300
RETRIES = 1 + 20  # Step Functions asks so often,
ATTEMPTS = 3  # and the module each time.
# Of each fault, how many items meet it, how often each does, and the error that it ends in: none, for a picture.
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
BAD_ITEMS: list[Any] = [None, "A quay", {"id": "no prompt"}, {"data": {"prompt": " "}}, {"data": 1}, {"data": {}}]


def prompt_of(number: int) -> str:
    return f"Boat {number:03}"


def billed(flow: Flow, number: int) -> int:
    digest = sha256(prompt_of(number).encode()).hexdigest()[:16]
    return int(flow.module.stand_in.ledger()["by_prompt"].get(digest, {"billed": 0})["billed"])


def outcomes(flow: Flow, execution: Execution) -> dict[int, str | None]:
    """Return the error of each item by its place in the list, or none; each is told of once."""
    results = flow.results(execution)
    told = {int(result["Input"]["given"]["id"].removeprefix("#")): result.get("Error") for result in results}
    assert len(told) == len(results) == execution.output["asked"]
    return told


def test_three_hundred_items_a_fifth_of_which_meet_a_fault(flow: Flow) -> None:
    """Each is told of once and billed at most once; the same batch again buys what had failed for a passing reason."""
    items: list[Any] = [{"id": number, "data": {"prompt": prompt_of(number)}} for number in range(COUNT)]
    expected: dict[int, str | None] = dict.fromkeys(range(COUNT))
    places = iter(range(0, COUNT, 5))
    for fault, count, times, error in FAULTS:
        for number in (next(places) for _ in range(count)):
            flow.module.stand_in.script(fault, times=times, match={"prompt_contains": prompt_of(number)})
            expected[number] = error
    for bad, number in zip(BAD_ITEMS, places, strict=True):
        items[number], expected[number] = bad, "InvalidRequestError"
    passing = {number for number, error in expected.items() if error == "ProviderUnavailableError"}

    execution = flow.run_batch("lists/boats.json", as_json(items), name="boats", max_concurrency=8)

    assert outcomes(flow, execution) == expected
    assert execution.output["failed"] == Counter(error for error in expected.values() if error)
    assert (execution.output["bought"], execution.output["replayed"]) == (list(expected.values()).count(None), 0)
    assert max(billed(flow, number) for number in range(COUNT)) == 1
    assert sum(billed(flow, number) for number in passing) == 0
    before = flow.module.stand_in.ledger()["billed"]

    again = flow.run_batch("lists/boats.json", as_json(items), name="boats", max_concurrency=8)

    assert outcomes(flow, again) == expected | dict.fromkeys(passing)
    assert (again.output["bought"], again.output["replayed"]) == (len(passing), execution.output["bought"])
    assert flow.module.stand_in.ledger()["billed"] - before == len(passing)
    assert {billed(flow, number) for number in passing} == {1}
