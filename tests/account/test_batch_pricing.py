"""A list at half the price: the template's own definition, executed over the stand-in's Batch API."""

import json
from itertools import cycle
from typing import Any

import pytest

from local.lambda_context import LocalContext
from local.openai_stand_in import StandIn
from local.state_machines import GENERATE_IMAGES_BATCH
from tests.machines import Execution, Machines

BATCH = {"pricing": "batch", "max_concurrency": 1}


@pytest.fixture(autouse=True)
def _one_hour_for_a_batch(stand_in: StandIn) -> None:
    stand_in.batch_seconds = 3600


def list_of(*prompts: str) -> str:
    return json.dumps([{"id": number, "data": {"prompt": prompt}} for number, prompt in enumerate(prompts)])


def results(machines: Machines, execution: Execution) -> dict[str, Any]:
    """Return the result of each item by its prompt, or by its problem."""
    found = machines.results(execution)
    assert len(found) == execution.output["asked"]
    return {result["Input"].get("data", {}).get("prompt", "invalid"): result for result in found}


def test_list_costs_half_and_says_what_it_saved(machines: Machines) -> None:
    standard = machines.run_batch("lists/a.json", list_of("Boat one", "Boat two"), name="standard").output
    paid = machines.stand_in.ledger()["usd"]

    execution = machines.run_batch("lists/a.json", list_of("Boat one", "Boat two"), **BATCH)

    assert execution.status == "SUCCEEDED", execution.message
    totals = execution.output
    assert (totals["asked"], totals["bought"], totals["failed"]) == (2, 2, {})
    assert totals["cost_usd"] == pytest.approx(standard["cost_usd"] / 2, abs=0.0002)
    assert totals["saved_usd"] == totals["cost_usd"]
    assert standard["saved_usd"] == 0
    assert machines.stand_in.ledger()["usd"] - paid == pytest.approx(paid / 2, abs=2e-6)


def test_answer_is_that_of_the_module(machines: Machines) -> None:
    item = {"id": 1, "nextModule": "next", "data": {"prompt_image": "Boat one", "order": {"number": 4711}}}

    execution = machines.run_batch("lists/a.json", json.dumps([item]), **BATCH)

    [result] = machines.results(execution)
    assert result["Status"] == "SUCCEEDED"
    assert result["Output"]["nextModule"] == "next"
    assert result["Output"]["data"]["order"] == {"number": 4711}
    assert result["Output"]["_meta_"]["replayed"] is False
    assert machines.read(result["Output"]["_meta_"]["key"].replace(".png", ".json"))


def test_shards_have_a_limited_size_and_one_result_for_each_item(machines: Machines) -> None:
    prompts = [f"Boat {number}" for number in range(320)]
    machines.batch_shards = _Settled(machines)

    execution = machines.run_batch("lists/a.json", list_of(*prompts), **BATCH)

    assert [len(items) for items in machines.batch_shards.shards] == [150, 150, 20]
    assert execution.output["failed"] == {"ContentRejectedError": 320}


class _Settled:
    """Refuses the items of each shard at once."""

    def __init__(self, machines: Machines) -> None:
        self._machines = machines
        self.shards: list[list[Any]] = []

    def __call__(self, event: Any, context: LocalContext) -> Any:  # noqa: ANN401  # JSON
        del context
        self.shards.append(event["items"])
        lines = [{"Status": "FAILED", "Error": "ContentRejectedError", "Input": "{}"} for _ in event["items"]]
        key = f"results/{event['execution']}/{len(self.shards)}.jsonl"
        body = "".join(json.dumps(line) + "\n" for line in lines)
        self._machines.s3.put_object(Bucket="generate-image-local", Key=key, Body=body.encode())
        return {"next": "done", "seconds": 0, "shards": [], "results": {"FAILED": [{"Key": key}]}}


def test_direct_request_waits_for_the_batch_and_gets_its_picture(machines: Machines) -> None:
    during: list[Execution] = []
    buy, event = machines.batch_shards, {}

    def watched(step: Any, context: LocalContext) -> Any:  # noqa: ANN401  # JSON
        result = buy(step, context)
        event.update(step["items"][0])
        if result["next"] == "check" and not during:
            with pytest.raises(Exception, match="A batch is buying this picture") as raised:
                machines.generate(dict(event), LocalContext())
            during.append(raised.value)  # type: ignore[arg-type]
        return result

    machines.batch_shards = watched
    machines.run_batch("lists/a.json", list_of("Boat one"), **BATCH)

    assert [type(error).__name__ for error in during] == ["RequestInProgressError"]
    assert machines.generate(event, LocalContext())["_meta_"]["replayed"] is True
    assert machines.billed("Boat one") == 1


def test_standard_run_buys_what_an_expired_batch_left(machines: Machines) -> None:
    machines.stand_in.batches.faults.append("never_ends")
    first = machines.run_batch("lists/a.json", list_of("Boat one", "Boat two"), **BATCH)
    second = machines.run_batch("lists/a.json", list_of("Boat one", "Boat two"))

    assert first.output["failed"] == {"ProviderUnavailableError": 2}
    assert (second.output["bought"], second.output["replayed"]) == (2, 0)


def test_shard_that_fails_gives_its_error_to_each_item(machines: Machines) -> None:
    def fail(event: object, context: LocalContext) -> Any:  # noqa: ANN401  # never returns
        del event, context
        raise KeyError("defect")

    machines.batch_shards = fail

    execution = machines.run_batch("lists/a.json", list_of("Boat one", "Boat two"), **BATCH)

    assert execution.output["failed"] == {"KeyError": 2}
    assert {result["Status"] for result in machines.results(execution)} == {"FAILED"}


def test_interrupted_import_goes_on_after_a_redrive(machines: Machines) -> None:
    buy, sizes = machines.batch_shards, []

    def interrupted(step: Any, context: LocalContext) -> Any:  # noqa: ANN401  # JSON
        if step["step"] != "import":
            return buy(step, context)
        del context
        buy(step, LocalContext(seconds=61.0))  # the time for one line
        sizes.append(len([key for key in machines.list_keys() if key.endswith(".png")]))
        raise KeyError("a defect in the middle of the import")

    machines.batch_shards = interrupted
    failed = machines.run_batch(
        "lists/a.json", list_of("Boat one", "Boat two", "Boat three"), tolerated_failure_percentage=0, **BATCH
    )
    machines.batch_shards = buy

    redriven = machines.redrive(GENERATE_IMAGES_BATCH, failed)

    assert failed.status == "FAILED"
    assert sizes == [1]
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


@pytest.mark.parametrize("count", [pytest.param(600, marks=pytest.mark.slow), 180])
def test_faulty_list_loses_nothing_and_buys_nothing_twice(machines: Machines, count: int) -> None:
    """Every twentieth item meets a fault, and most submissions do."""
    faults = dict(zip(range(0, count, 20), cycle(LINES), strict=False))
    prompts = [f"Boat {number:04}" + (f" [{faults[number]}]" if number in faults else "") for number in range(count)]
    machines.stand_in.batches.faults.extend(SUBMISSIONS)

    first = machines.run_batch("lists/boats.json", list_of(*prompts), **BATCH)

    assert {prompt: result.get("Error") for prompt, result in results(machines, first).items()} == {
        prompt: LINES[faults[number]] if number in faults else None for number, prompt in enumerate(prompts)
    }
    ledger = machines.stand_in.ledger()
    assert max(counts["billed"] for counts in ledger["by_prompt"].values()) == 1
    unknown = sum(name in UNKNOWN_AND_BILLED for name in faults.values())
    assert first.output["bought"] + unknown == ledger["billed"]
    assert first.output["cost_usd"] == pytest.approx(
        ledger["usd"] * first.output["bought"] / ledger["billed"], rel=0.01
    )

    second = machines.run_batch("lists/boats.json", list_of(*prompts), **BATCH)

    assert (second.output["bought"], second.output["replayed"]) == (0, first.output["bought"])
    assert machines.stand_in.ledger()["billed"] == ledger["billed"]


def test_wrong_pricing_is_an_invalid_request(machines: Machines) -> None:
    execution = machines.run_batch("lists/a.json", list_of("Boat one"), pricing="cheap")

    assert execution.error == "InvalidRequestError"
    assert "pricing: must be standard or batch" in execution.message
