"""A list at half the price: the template's own definition, executed over the stand-in's Batch API."""

import json
from itertools import cycle
from typing import Any

import pytest

from local.lambda_context import LocalContext
from local.openai_stand_in import StandIn
from local.state_machines import GENERATE_IMAGES_BATCH
from tests.machines import SHARD_SIZE, Machines

BATCH = {"pricing": "batch", "max_concurrency": 1}


@pytest.fixture(autouse=True)
def _one_hour_for_a_batch(stand_in: StandIn) -> None:
    stand_in.batch_seconds = 3600


def list_of(*prompts: str) -> str:
    return json.dumps([{"id": number, "data": {"prompt": prompt}} for number, prompt in enumerate(prompts)])


def test_batch_costs_half_and_standard_pricing_buys_the_rest(machines: Machines) -> None:
    items = list_of("Boat one", "Boat two [line_expired]")

    half = machines.run_batch("lists/a.json", items, **BATCH)
    paid = machines.stand_in.ledger()["usd"]
    standard = machines.run_batch("lists/a.json", items).output

    assert half.status == "SUCCEEDED", half.message
    totals = half.output
    assert (totals["asked"], totals["bought"], totals["failed"]) == (2, 1, {"ProviderUnavailableError": 1})
    assert totals["saved_usd"] == totals["cost_usd"] == pytest.approx(paid, abs=0.0001)
    assert (standard["bought"], standard["replayed"], standard["saved_usd"]) == (1, 1, 0)
    assert standard["cost_usd"] == pytest.approx(2 * totals["cost_usd"], abs=0.0002)


def test_answer_is_that_of_the_module(machines: Machines) -> None:
    item = {"id": 1, "nextModule": "next", "data": {"prompt_image": "Boat one", "order": {"number": 4711}}}

    [result] = machines.results(machines.run_batch("lists/a.json", json.dumps([item]), **BATCH))

    answer = result["Output"]
    assert (result["Status"], answer["nextModule"], answer["data"]["order"]) == ("SUCCEEDED", "next", {"number": 4711})
    assert answer["_meta_"]["replayed"] is False
    record = json.loads(machines.read(answer["_meta_"]["key"].replace(".png", ".json")))
    assert (record["status"], record["picture"]["key"]) == ("stored", answer["_meta_"]["key"])
    assert machines.log.getvalue().count("picture bought") == 1


def test_ended_batch_is_imported_while_another_goes_on(machines: Machines) -> None:
    items = [{"client_id": number, "data": {"prompt": f"Boat {number}"}} for number in (1, 2)]
    machines.stand_in.batches.faults.extend(["", "never_ends"])

    execution = machines.run_batch("lists/a.json", json.dumps(items), **BATCH)

    assert execution.output["failed"] == {"ProviderUnavailableError": 1}
    assert execution.output["bought"] == len(machines.stand_in.ledger()["by_prompt"]) == 1


def test_shard_that_fails_gives_its_error_to_each_item(machines: Machines) -> None:
    def fail(event: object, context: LocalContext) -> Any:  # noqa: ANN401  # never returns
        del event, context
        raise KeyError("defect")

    machines.batch_shards = fail

    execution = machines.run_batch("lists/a.json", list_of("Boat one", "Boat two"), **BATCH)

    assert execution.output["failed"] == {"KeyError": 2}
    assert [result["Error"] for result in machines.results(execution)] == ["KeyError"] * 2


def test_interrupted_import_goes_on_after_a_redrive(machines: Machines) -> None:
    buy, following = machines.batch_shards, []

    def interrupted(step: Any, context: LocalContext) -> Any:  # noqa: ANN401  # JSON
        if step["step"] != "import":
            return buy(step, context)
        following.append(buy(step, LocalContext(seconds=61.0))["next"])  # the time for one line
        raise KeyError("a defect in the middle of the import")

    machines.batch_shards = interrupted
    failed = machines.run_batch(
        "lists/a.json", list_of("Boat one", "Boat two", "Boat three"), tolerated_failure_percentage=0, **BATCH
    )
    machines.batch_shards = buy

    redriven = machines.redrive(GENERATE_IMAGES_BATCH, failed)

    assert (failed.status, following) == ("FAILED", ["import"])
    assert (redriven.output["bought"], redriven.output["failed"]) == (3, {})
    assert len(machines.stand_in.batches.batches) == 1
    assert machines.stand_in.ledger()["billed"] == 3


LINES = {
    "moderation_blocked": "ContentRejectedError",
    "server_error": "ProviderUnavailableError",
    "rate_limit_exceeded": "RateLimitedError",
    "insufficient_quota": "QuotaExhaustedError",
    "line_expired": "ProviderUnavailableError",
    "line_failed": "ProviderUnavailableError",
    "line_missing": "OutcomeUnknownError",
    "line_malformed": "OutcomeUnknownError",
    "line_twice": None,
}
SUBMISSIONS = ("batch_lost", "", "token_limit_exceeded", "file_not_found", "batch_error", "output_cut", "", "", "")
UNKNOWN_AND_BILLED = ("line_missing", "line_malformed")


@pytest.mark.parametrize("count", [pytest.param(180, marks=pytest.mark.slow), 30])
def test_faulty_list_loses_nothing_and_buys_nothing_twice(machines: Machines, count: int) -> None:
    """Each fault meets at least one item, and most submissions meet one."""
    faults = dict(zip(range(0, count, min(20, count // len(LINES))), cycle(LINES), strict=False))
    prompts = [f"Boat {number:04}" + (f" [{faults[number]}]" if number in faults else "") for number in range(count)]
    machines.stand_in.batches.faults.extend(SUBMISSIONS)

    first = machines.run_batch("lists/boats.json", list_of(*prompts), **BATCH)

    results = machines.results(first)
    assert {result["Input"]["data"]["prompt"]: result.get("Error") for result in results} == {
        prompt: LINES[faults[number]] if number in faults else None for number, prompt in enumerate(prompts)
    }
    assert max(len(batch.requests) for batch in machines.stand_in.batches.batches.values()) == SHARD_SIZE
    ledger = machines.stand_in.ledger()
    assert max(counts["billed"] for counts in ledger["by_prompt"].values()) == 1
    bought, unknown = first.output["bought"], sum(name in UNKNOWN_AND_BILLED for name in faults.values())
    assert (len(results), bought + unknown) == (count, ledger["billed"])
    assert first.output["cost_usd"] == pytest.approx(ledger["usd"] * bought / ledger["billed"], rel=0.01)

    second = machines.run_batch("lists/boats.json", list_of(*prompts), **BATCH)

    assert (second.output["bought"], second.output["replayed"]) == (0, bought)
    assert machines.stand_in.ledger()["billed"] == ledger["billed"]
