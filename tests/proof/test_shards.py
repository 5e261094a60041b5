"""Every way in which a batch or a line of it can end, and the result of the item."""

from collections import Counter
from collections.abc import Sequence
from itertools import cycle
from typing import Any

import pytest

from generate_image.errors import ConfigurationError, OutcomeUnknownError, RequestInProgressError
from generate_image.functions.batch_shards import Parts
from generate_image.functions.count_results import totals
from generate_image.lease import Leases, in_progress
from generate_image.record import Record
from tests.proof.provider import BatchProvider
from tests.proof.shard_world import HALF_COST, PROMPTS, ShardWorld
from tests.proof.world import End


def run(
    batches: BatchProvider, prompts: Sequence[str] = PROMPTS, *faults: str, is_direct: bool = True, **environ: str
) -> ShardWorld:
    """Return the world of a shard after its end. faults: of its batches."""
    world = ShardWorld(batches, (), environ, prompts, faults, is_direct=is_direct).run()
    assert list(world.broken_promises()) == []
    return world


def statuses(world: ShardWorld) -> set[str]:
    return {record["status"] for record in world.records()}


LINES = [
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
    ("[line_twice]", None, "stored"),
]


@pytest.mark.parametrize(("line", "error", "status"), LINES)
def test_line_ends_in_its_result(batches: BatchProvider, line: str, error: str | None, status: str) -> None:
    world = run(batches, ("a quay", line), is_direct=False)
    assert world.errors() == [None, error]
    assert statuses(world) == {"stored", status}
    assert len(world.pictures()) == world.errors().count(None)


FLARE, LAST = "gpt-image-2.6-flare", "gpt-image-2"


@pytest.mark.parametrize(
    ("faults", "models", "error", "status", "batch_statuses"),
    [
        (["no_output_file"], FLARE, "OutcomeUnknownError", "failed", ["completed"]),
        (["token_limit_exceeded"] * 3, FLARE, None, "stored", [*["failed"] * 3, "completed"]),
        (["file_not_found"] * 2, FLARE, None, "stored", ["completed"]),
        (["file_not_found"] * 6, FLARE, None, "stored", ["completed"]),
        (["upload_quota"], FLARE, "QuotaExhaustedError", "released", []),
        (["batch_lost"], FLARE, None, "stored", ["completed"]),
        (["token_limit_exceeded", "batch_lost"], FLARE, None, "stored", ["failed", "completed"]),
        ([], f"retired,{LAST}", None, "stored", ["completed"] * 2),
        ([], f"dall-e-3,{FLARE}", None, "stored", ["completed"]),
        (["batch_model_not_found"], f"{FLARE},{LAST}", None, "stored", ["failed", "completed"]),
        (["batch_model_not_found"], LAST, "ModelUnavailableError", "released", ["failed"]),
        ([], "retired", "ModelUnavailableError", "released", ["completed"]),
    ],
)
def test_batch_ends_in_its_result(
    batches: BatchProvider,
    faults: Sequence[str],
    models: str,
    error: str | None,
    status: str,
    batch_statuses: Sequence[str],
) -> None:
    world = run(batches, PROMPTS, *faults, is_direct=error is None, IMAGE_MODELS=models)
    assert world.errors() == [error] * 2
    assert statuses(world) == {status}
    assert [batch.status for batch in batches.batches.batches.values()] == batch_statuses
    if error is None:
        assert list(world.violations()) == []
        assert {record["picture"]["model"] for record in world.records()} == {models.rpartition(",")[2]}
    if models == FLARE:
        assert len({batch.input_file_id for batch in batches.batches.batches.values()}) <= 1


def test_invalid_item_is_not_requested(batches: BatchProvider) -> None:
    world = ShardWorld(batches, is_direct=False)
    world.items.append({"invalid_list_item": "line 3: no prompt"})
    assert world.run().errors() == [None, None, "InvalidRequestError"]

    world = ShardWorld(batches, is_direct=False, prompts=())
    world.items.append({"invalid_list_item": "line 2: no prompt"})
    assert world.run().errors() == ["InvalidRequestError"]
    assert batches.batches.files == {}


@pytest.mark.parametrize(
    ("models", "error", "sizes"), [(f"retired,{LAST}", None, [2, 1]), ("retired", "ModelUnavailableError", [2])]
)
def test_missing_model_releases_no_picture_that_may_be_billed(
    batches: BatchProvider, models: str, error: str | None, sizes: list[int]
) -> None:
    world = run(batches, ("a quay", "[line_missing]"), is_direct=False, IMAGE_MODELS=models)
    assert world.errors() == [error, "OutcomeUnknownError"]
    assert [len(batch.requests) for batch in batches.batches.batches.values()] == sizes


def test_each_credential_has_a_batch_with_its_options(batches: BatchProvider) -> None:
    world = ShardWorld(batches, is_direct=False)
    options = {"quality": "low", "size": "1536x1024", "output_format": "webp"}
    world.items[1]["config"] |= {"credentials_id": "another", "options": options}
    assert world.run().errors() == [None, None]
    [[_], [request]] = [batch.requests for batch in batches.batches.batches.values()]
    assert request["body"].items() >= options.items()


def test_absent_credential_fails_its_items(batches: BatchProvider) -> None:
    world = ShardWorld(batches, is_direct=False)
    world.items[1]["config"]["credentials_id"] = "absent"
    assert world.run().errors() == [None, "CredentialsError"]


class OvertakenLeases(Leases):
    """Another invocation acquires one lease after this one has reserved the money."""

    def acquire(self, new: Record) -> Record:
        if new.prompt == PROMPTS[0]:
            raise in_progress(1.0, new.lease_until)
        return super().acquire(new)


def test_overtaken_picture_leaves_no_reservation(batches: BatchProvider) -> None:
    parts, budget = Parts(leases=OvertakenLeases), {"MONTHLY_BUDGET_USD": "1", "MAX_PICTURE_USD": "0.0132"}
    world = ShardWorld(batches, environ=budget, parts=parts, is_direct=False).run()
    assert world.errors() == ["RequestInProgressError", None]
    assert list(world.broken_promises()) == []


def test_direct_call_waits_and_buys_what_the_batch_did_not(batches: BatchProvider) -> None:
    world = run(batches, ("a quay", "[line_expired] a boat"))
    assert world.errors() == [None, "ProviderUnavailableError"]
    during, quay, boat = world.direct
    assert isinstance(during, RequestInProgressError)
    assert ("ends by 2027-01-16T" in during.message, during.retry_after) == (True, 300)
    assert isinstance(quay, dict)
    assert isinstance(boat, dict)
    assert (quay["_meta_"]["replayed"], boat["_meta_"]["replayed"]) == (True, False)
    assert boat["_meta_"]["cost_usd"] == pytest.approx(2 * quay["_meta_"]["cost_usd"], abs=0.0001)


class LateWorld(ShardWorld):
    """A world whose first check comes after the end of the leases, and after a direct request."""

    def _step(self, step: str, shards: Sequence[str]) -> End:
        if step == "check" and not self.direct:
            self.clock.pass_by(26 * 3600)
            self.direct.append(self._call_directly(self.prompts[0]))
        return super()._step(step, shards)


@pytest.mark.parametrize(("prompt", "error"), [("a lighthouse", None), ("[500]", "ProviderUnavailableError")])
def test_late_import_resolves_an_unknown_outcome(batches: BatchProvider, prompt: str, error: str | None) -> None:
    world = LateWorld(batches, prompts=(prompt, "a quay"), is_direct=False).run()
    assert isinstance(world.direct[0], OutcomeUnknownError)
    assert world.errors() == [error, None]
    assert list(world.broken_promises()) == []


def test_budget_without_room_refuses_single_items(batches: BatchProvider) -> None:
    limit = (HALF_COST + 100) / 1_000_000  # one picture, not two
    world = run(batches, is_direct=False, MONTHLY_BUDGET_USD=f"{limit:.6f}", MAX_PICTURE_USD="0.0132")
    assert world.errors() == [None, "BudgetExceededError"]
    [ledger] = world.ledgers()
    assert (ledger.settled, ledger.open) == (HALF_COST, {})


def test_picture_of_another_run_is_replayed(batches: BatchProvider) -> None:
    world = run(batches)
    second = ShardWorld(batches, prompts=(*PROMPTS, "a boat"), execution="second", is_direct=False)
    second.storage.objects.update(world.storage.objects)
    second.clock.now = world.clock.now
    assert second.run().errors() == [None, None, None]
    assert batches.by_prompt == {"a boat": 1}


def test_short_retention_refuses_a_batch(batches: BatchProvider) -> None:
    world = ShardWorld(batches, environ={"PICTURE_RETENTION_DAYS": "1"}, is_direct=False).run()
    assert isinstance(world.ends[-1].error, ConfigurationError)
    assert batches.batches.files == {}


SUBMISSIONS = ("batch_lost", "token_limit_exceeded", "file_not_found", "batch_error", "output_cut", "output_truncated")
NOT_READ = ("[line_missing]", "[line_malformed]")


def test_two_thousand_items_with_faults_lose_nothing(batches: BatchProvider) -> None:
    """Every twentieth item meets a fault, most shards a fault of their batch, and the ledger equals the totals."""
    # A line without a picture counts in full, and this provider does not bill it.
    ends_of_lines = {line: error for line, error, _ in LINES if line != "[no picture]"}
    lines = cycle(ends_of_lines)
    faults = {number: next(lines) for number in range(0, 2_000, 20)}
    prompts = [f"boat {number} {faults.get(number, '')}" for number in range(2_000)]
    ends = [ends_of_lines.get(faults.get(number, "")) for number in range(2_000)]
    submissions = cycle([[], *([fault] for fault in SUBMISSIONS)])
    billed: Counter[str] = Counter()
    results: list[dict[str, Any]] = []
    settled = 0
    for start in range(0, 2_000, 150):
        shard = slice(start, start + 150)
        budget = {"MONTHLY_BUDGET_USD": "50", "MAX_PICTURE_USD": "0.0132"}
        world = run(batches, prompts[shard], *next(submissions), is_direct=False, **budget)
        assert world.errors() == ends[shard]
        billed += batches.by_prompt
        results += world.item_results
        settled += sum(ledger.settled for ledger in world.ledgers())

    counted = totals(results, "batch")
    not_read = sum(line in NOT_READ for line in faults.values())
    assert (counted["asked"], max(billed.values())) == (2_000, 1)
    assert counted["bought"] + not_read == billed.total()
    above = settled - HALF_COST * billed.total()
    assert 0 <= above < 100 * not_read  # an unknown outcome counts with its whole reservation
    assert counted["saved_usd"] == counted["cost_usd"] == pytest.approx(0.0066 * counted["bought"])
