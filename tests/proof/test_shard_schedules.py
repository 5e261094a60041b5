"""Under every single fault and every pair of faults, a shard buys each picture at most once and loses none."""

from collections.abc import Callable, Mapping, Sequence

import pytest

from generate_image.batch.check import Check
from generate_image.batch.submission import Submission
from generate_image.functions.batch_shards import PARTS, Parts
from generate_image.provider.batch_response import Batch
from generate_image.shard import Phase, Shard
from tests.proof.batch_provider import BatchProvider
from tests.proof.faults import KINDS, Fault
from tests.proof.schedules import Report, check
from tests.proof.shard_world import ShardWorld

BUDGET = {"MONTHLY_BUDGET_USD": "5", "MAX_PICTURE_USD": "0.05"}
SINGLE_FAULTS = 250
"""There are more."""
PAIRS = 100
"""In the fast tier."""

slow = pytest.mark.slow


def schedules(
    batches: BatchProvider, sample: int, environ: Mapping[str, str] | None = None, parts: Parts = PARTS
) -> Report:
    def run(faults: Sequence[Fault]) -> ShardWorld:
        return ShardWorld(batches, faults, environ or {}, parts=parts).run()

    return check(run, sample)


@pytest.mark.parametrize(
    ("environ", "sample"),
    [({}, PAIRS), (BUDGET, 0), pytest.param({}, 6_000, marks=slow), pytest.param(BUDGET, 3_000, marks=slow)],
)
def test_faults_buy_once_and_settle_what_is_billed(
    batches: BatchProvider, environ: Mapping[str, str], sample: int, show: Callable[[object], None]
) -> None:
    report = schedules(batches, sample, environ)
    show(report)
    assert report.violations == []
    assert report.schedules > SINGLE_FAULTS + sample


def test_every_outward_call_has_faults(batches: BatchProvider) -> None:
    world = ShardWorld(batches).run()
    submission, *checks, last = [end.calls for end in world.ends]
    assert [name for name in submission if name in {"upload", "create"}] == ["upload", "create"]
    assert all("create" not in calls and "upload" not in calls for calls in (*checks, last))
    assert "content" in last
    assert {name for end in world.ends for name in end.calls} <= KINDS.keys()


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


@pytest.mark.parametrize(
    "parts", [Parts(check=SubmitAgain), Parts(check=LookOnce), Parts(submission=SubmitBeforeSaving)]
)
def test_broken_rule_is_detected(batches: BatchProvider, parts: Parts) -> None:
    report = schedules(batches, 0, parts=parts)
    assert [violation for violation in report.violations if "2 batches are alive" in violation]
