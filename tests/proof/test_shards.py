"""Every way in which a batch or a line of it can end, and the result of the item."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import Any

import pytest

from generate_image.errors import OutcomeUnknownError, RequestInProgressError
from generate_image.functions.count_results import totals
from tests.proof.batch_provider import BatchProvider
from tests.proof.shard_world import HALF_COST, PROMPTS, ShardWorld, lost, violations
from tests.proof.world import End


@pytest.fixture(scope="module")
def batches() -> Iterator[BatchProvider]:
    with BatchProvider() as provider:
        yield provider


def run(
    batches: BatchProvider, prompts: Sequence[str] = PROMPTS, *, faults: Sequence[str] = (), **environ: str
) -> ShardWorld:
    world = ShardWorld(batches, environ=environ, prompts=prompts)
    batches.batches.faults.extend(faults)
    world.run()
    assert list(violations(world)) == []
    return world


def errors(world: ShardWorld) -> list[str | None]:
    """Return the error of each item, in their order; None for a picture."""
    by_place = {int(result["Name"].rpartition("/")[2]): result.get("Error") for result in world.results}
    return [by_place[place] for place in sorted(by_place)]


@pytest.mark.parametrize(
    ("prompt", "error", "status"),
    [
        ("[moderation]", "ContentRejectedError", "failed"),
        ("[rejected]", "ProviderRejectedError", "failed"),
        ("[429]", "RateLimitedError", "released"),
        ("[500]", "ProviderUnavailableError", "released"),
        ("[502]", "ProviderUnavailableError", "released"),
        ("[quota]", "QuotaExhaustedError", "released"),
        ("[line_expired]", "ProviderUnavailableError", "released"),
        ("[line_failed]", "ProviderUnavailableError", "released"),
        ("[line_missing]", "OutcomeUnknownError", "failed"),
        ("[line_malformed]", "OutcomeUnknownError", "failed"),
        ("[no picture]", "ProviderResponseError", "failed"),
    ],
)
def test_line_without_a_picture_ends_in_its_error(batches: BatchProvider, prompt: str, error: str, status: str) -> None:
    world = ShardWorld(batches, prompts=("a quay", prompt), is_direct=False).run()

    assert errors(world) == [None, error]
    assert {record["status"] for record in world.records()} == {"stored", status}


def test_first_of_two_lines_of_an_id_counts(batches: BatchProvider) -> None:
    world = run(batches, ("a quay", "[line_twice]"))

    assert errors(world) == [None, None]
    assert sum(key.endswith(".png") for key in world.storage.objects) == 2


@pytest.mark.parametrize("fault", ["output_truncated", "output_cut"])
def test_output_that_ends_early_is_read_on(batches: BatchProvider, fault: str) -> None:
    world = run(batches, tuple(f"boat {number}" for number in range(9)), faults=[fault])

    assert errors(world) == [None] * 9
    assert list(lost(world)) == []


def test_batch_without_files_is_no_success(batches: BatchProvider) -> None:
    world = ShardWorld(batches, is_direct=False)
    batches.batches.faults.append("no_output_file")
    world.run()

    assert errors(world) == ["OutcomeUnknownError"] * 2


def test_full_queue_waits_and_submits_the_same_file(batches: BatchProvider) -> None:
    world = run(batches, faults=["token_limit_exceeded"] * 3)

    made = batches.batches.batches.values()
    assert [batch.status for batch in made] == ["failed", "failed", "failed", "completed"]
    assert len({batch.input_file_id for batch in made}) == 1
    assert errors(world) == [None, None]


def test_missing_file_is_submitted_again(batches: BatchProvider) -> None:
    world = run(batches, faults=["file_not_found", "file_not_found"])

    assert errors(world) == [None, None]
    assert len(batches.batches.files) == 2  # the requests and the output


def test_batch_whose_response_was_lost_is_found(batches: BatchProvider) -> None:
    world = run(batches, faults=["batch_lost"])

    assert len(batches.batches.batches) == 1
    assert errors(world) == [None, None]


@pytest.mark.parametrize("faults", [(), ("batch_model_not_found",)], ids=["in the lines", "in the validation"])
def test_missing_model_leads_to_the_next_model(batches: BatchProvider, faults: Sequence[str]) -> None:
    first = "gpt-image-2.6-flare" if faults else "retired"
    world = run(batches, faults=faults, IMAGE_MODELS=f"{first},gpt-image-2")

    assert errors(world) == [None, None]
    assert {record["picture"]["model"] for record in world.records()} == {"gpt-image-2"}


def test_without_a_model_each_item_fails_unbilled(batches: BatchProvider) -> None:
    world = ShardWorld(batches, environ={"IMAGE_MODELS": "retired"}, is_direct=False).run()

    assert errors(world) == ["ModelUnavailableError"] * 2
    assert {record["status"] for record in world.records()} == {"released"}


def test_invalid_item_is_not_requested(batches: BatchProvider) -> None:
    world = ShardWorld(batches, is_direct=False)
    world.items.append({"invalid_list_item": "line 3: no prompt"})
    world.run()

    assert errors(world) == [None, None, "InvalidRequestError"]


def test_each_credential_has_a_batch_of_its_own(batches: BatchProvider) -> None:
    world = ShardWorld(batches, is_direct=False)
    world.items[1]["config"]["credentials_id"] = "another"
    world.run()

    assert errors(world) == [None, None]
    assert [len(batch.requests) for batch in batches.batches.batches.values()] == [1, 1]


def test_options_reach_the_request(batches: BatchProvider) -> None:
    world = ShardWorld(batches, is_direct=False)
    world.items[0]["config"]["options"] = {"quality": "low", "size": "1536x1024", "output_format": "webp"}
    world.run()

    [batch] = batches.batches.batches.values()
    body = batch.requests[0]["body"]
    assert (body["quality"], body["size"], body["output_format"]) == ("low", "1536x1024", "webp")


def test_direct_call_learns_the_end_of_the_batch(batches: BatchProvider) -> None:
    world = run(batches)
    during, *after = world.direct

    assert isinstance(during, RequestInProgressError)
    assert "ends by 2027-01-16T" in during.message
    assert during.retry_after == 300
    assert [call["_meta_"]["replayed"] for call in after if isinstance(call, dict)] == [True, True]


def test_standard_call_buys_what_an_expired_batch_did_not(batches: BatchProvider) -> None:
    world = run(batches, ("a quay", "[line_expired] a boat"))

    assert errors(world) == [None, "ProviderUnavailableError"]
    _, quay, boat = world.direct
    assert isinstance(quay, dict)
    assert isinstance(boat, dict)
    assert (quay["_meta_"]["replayed"], boat["_meta_"]["replayed"]) == (True, False)
    assert boat["_meta_"]["cost_usd"] == pytest.approx(2 * quay["_meta_"]["cost_usd"], abs=0.0001)


def test_refused_batch_releases_every_picture(batches: BatchProvider) -> None:
    world = ShardWorld(batches, is_direct=False, environ={"IMAGE_MODELS": "gpt-image-2"})
    batches.batches.faults.append("batch_model_not_found")
    world.run()

    assert errors(world) == ["ModelUnavailableError"] * 2
    assert {record["status"] for record in world.records()} == {"released"}


class LateWorld(ShardWorld):
    """A world whose first check comes after the end of the leases, and after a direct request."""

    def _step(self, step: str, shards: object) -> tuple[dict[str, Any] | None, End]:
        if step == "check" and not self.direct:
            self.clock.pass_by(26 * 3600)
            self.direct.append(self._call_directly(self.prompts[0]))
        return super()._step(step, shards)


def test_late_import_resolves_an_unknown_outcome(batches: BatchProvider) -> None:
    world = LateWorld(batches, is_direct=False).run()

    assert isinstance(world.direct[0], OutcomeUnknownError)
    assert errors(world) == [None, None]
    assert list(violations(world)) == []


def test_items_that_are_all_invalid_end_at_once(batches: BatchProvider) -> None:
    world = ShardWorld(batches, is_direct=False, prompts=())
    world.items = [{"invalid_list_item": "line 2: no prompt"}]
    world.run()

    assert errors(world) == ["InvalidRequestError"]
    assert batches.batches.files == {}


def test_budget_without_room_refuses_single_items(batches: BatchProvider) -> None:
    limit = (HALF_COST + 100) / 1_000_000  # one picture, not two
    world = ShardWorld(
        batches, environ={"MONTHLY_BUDGET_USD": f"{limit:.6f}", "MAX_PICTURE_USD": "0.0132"}, is_direct=False
    ).run()

    assert errors(world) == [None, "BudgetExceededError"]
    [ledger] = world.ledgers()
    assert (ledger.settled, ledger.open) == (HALF_COST, {})


def test_picture_of_another_run_is_replayed(batches: BatchProvider) -> None:
    world = run(batches)
    again: dict[str, Any] = world.storage.objects.copy()
    second = ShardWorld(batches, prompts=(*PROMPTS, "a boat"), execution="second", is_direct=False)
    second.storage.objects.update(again)
    second.clock.now = world.clock.now
    second.run()

    assert errors(second) == [None, None, None]
    assert batches.by_prompt == {"a boat": 1}


def test_short_retention_refuses_a_batch(batches: BatchProvider) -> None:
    world = ShardWorld(batches, environ={"PICTURE_RETENTION_DAYS": "1"}, is_direct=False).run()

    assert type(world.ends[-1].error).__name__ == "ConfigurationError"
    assert batches.batches.files == {}


ENDS = {
    "moderation": "ContentRejectedError",
    "rejected": "ProviderRejectedError",
    "429": "RateLimitedError",
    "500": "ProviderUnavailableError",
    "quota": "QuotaExhaustedError",
    "line_expired": "ProviderUnavailableError",
    "line_failed": "ProviderUnavailableError",
    "line_missing": "OutcomeUnknownError",
    "line_malformed": "OutcomeUnknownError",
    "line_twice": None,
}
SUBMISSIONS = (
    "",
    "batch_lost",
    "token_limit_exceeded",
    "file_not_found",
    "batch_error",
    "output_cut",
    "output_truncated",
)
NOT_READ = ("line_missing", "line_malformed")


def test_two_thousand_items_with_faults_lose_nothing(batches: BatchProvider) -> None:
    """Every twentieth item meets a fault, most shards a fault of their batch, and the ledger equals the totals."""
    names = cycle(ENDS)
    faults = {number: next(names) for number in range(0, 2_000, 20)}
    billed: Counter[str] = Counter()
    results: list[dict[str, Any]] = []
    settled = 0
    for number, start in enumerate(range(0, 2_000, 150)):
        prompts = [
            f"boat {at}" + (f" [{faults[at]}]" if at in faults else "") for at in range(start, min(2_000, start + 150))
        ]
        world = ShardWorld(batches, environ={"MONTHLY_BUDGET_USD": "50", "MAX_PICTURE_USD": "0.0132"}, prompts=prompts)
        world.is_direct = False
        batches.batches.faults.append(SUBMISSIONS[number % len(SUBMISSIONS)])
        world.run()
        assert list(violations(world)) == []
        assert errors(world) == [
            ENDS[faults[at]] if at in faults else None for at in range(start, start + len(prompts))
        ]
        billed += batches.by_prompt
        results += world.results
        settled += sum(ledger.settled for ledger in world.ledgers())

    counted = totals(results, "batch")
    not_read = sum(name in NOT_READ for name in faults.values())
    assert (counted["asked"], max(billed.values())) == (2_000, 1)
    assert counted["bought"] + not_read == billed.total()
    above = settled - HALF_COST * billed.total()
    assert 0 <= above < 100 * not_read  # an unknown outcome counts with its whole reservation
    assert counted["saved_usd"] == counted["cost_usd"] == pytest.approx(0.0066 * counted["bought"])
