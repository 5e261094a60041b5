"""Under every single fault and every pair of faults, a shard buys each picture at most once and loses none."""

from collections.abc import Iterator

import pytest

from generate_image.batch.check import Check
from generate_image.batch.submission import Submission
from generate_image.functions.batch_shards import Parts
from generate_image.provider.batch_response import Batch
from generate_image.shard import Phase, Shard
from tests.proof.batch_provider import BatchProvider
from tests.proof.shard_schedules import Report, check, run
from tests.proof.shard_world import SHARD_KINDS

BUDGET = {"MONTHLY_BUDGET_USD": "5", "MAX_PICTURE_USD": "0.05"}
PAIRS = 100
"""In the fast tier."""


@pytest.fixture(scope="module")
def batches() -> Iterator[BatchProvider]:
    with BatchProvider() as provider:
        yield provider


def shown(capsys: pytest.CaptureFixture[str], report: Report) -> None:
    ends = ", ".join(f"{count:,} in {end}" for end, count in sorted(report.ends.items()))
    with capsys.disabled():
        print(f"\n{report.schedules:,} schedules of a shard: items ended {ends}", end="")  # noqa: T201  # the proof


def test_single_faults_and_some_pairs_buy_once(batches: BatchProvider, capsys: pytest.CaptureFixture[str]) -> None:
    report = check(batches, sample=PAIRS)
    shown(capsys, report)
    assert report.violations == []
    assert report.schedules > PAIRS + 200


def test_single_faults_under_a_budget_settle_what_is_billed(batches: BatchProvider) -> None:
    report = check(batches, sample=0, environ=BUDGET)
    assert report.violations == []
    assert report.schedules > 250


@pytest.mark.slow
def test_pairs_of_faults_buy_once(batches: BatchProvider, capsys: pytest.CaptureFixture[str]) -> None:
    report = check(batches, sample=6_000)
    shown(capsys, report)
    assert report.violations == []


@pytest.mark.slow
def test_pairs_of_faults_under_a_budget_settle_what_is_billed(batches: BatchProvider) -> None:
    assert check(batches, sample=3_000, environ=BUDGET).violations == []


def test_every_outward_call_has_faults(batches: BatchProvider) -> None:
    world = run(batches)
    submission, *checks, last = [end.calls for end in world.ends]
    assert [name for name in submission if name in {"upload", "create"}] == ["upload", "create"]
    assert all("create" not in calls and "upload" not in calls for calls in (*checks, last))
    assert "content" in last
    assert {name for end in world.ends for name in end.calls} <= SHARD_KINDS.keys()


class SubmitAgain(Check):
    """Submits again without a search for the batch whose response was lost."""

    def _find(self, shard: Shard) -> Shard:
        return self._tools.save(shard, phase=Phase.SUBMIT)

    def _batches(self, shard: Shard) -> list[Batch]:  # noqa: ARG002  # signature
        return []


class LookOnce(Check):
    """Submits again after one search."""

    def _find(self, shard: Shard) -> Shard:
        found = self._batches(shard)
        return self._keep_one(shard, found) if found else self._tools.save(shard, phase=Phase.SUBMIT)

    def _keep_one(self, shard: Shard, batches: list[Batch]) -> Shard:
        return self._tools.save(shard, phase=Phase.SUBMITTED, batch_id=batches[-1].id)


class SubmitBeforeSaving(Submission):
    """Saves the submission after the request, so a death in between is not noticed."""

    def _submit(self, shard: Shard) -> Shard:
        return self._tools.save(shard, phase=Phase.SUBMITTED, batch_id=self._create(shard).id)


BREAKS = {
    "submit again": Parts(check=SubmitAgain),
    "look once": Parts(check=LookOnce),
    "submit before saving": Parts(submission=SubmitBeforeSaving),
}


@pytest.mark.parametrize("name", BREAKS)
def test_broken_rule_is_detected(batches: BatchProvider, name: str) -> None:
    report = check(batches, sample=0, parts=BREAKS[name])
    assert [violation for violation in report.violations if "2 batches are alive" in violation]
