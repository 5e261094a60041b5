"""Under every single fault and every pair of faults, a picture is bought at most once and ends in the truth.

The schedules of a request, and of a shard of a batch. Under a budget, settled + reserved stays within the limit and
never falls below the provider's bill.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from generate_image.functions import batch_shards, generate_image
from tests.proof.breaks import BREAKS, BUDGET, SHARD_BREAKS
from tests.proof.faults import KINDS, Fault, Kind
from tests.proof.provider import BatchProvider, CountingProvider
from tests.proof.request_world import RequestWorld
from tests.proof.shard_world import ShardWorld
from tests.proof.world import World

PAIRS = 100
"""For each dialect and environment, in the fast tier."""
SHARD_BUDGET = {"MONTHLY_BUDGET_USD": "5", "MAX_PICTURE_USD": "0.05"}
SINGLE_FAULTS = 250
"""A shard has more."""

slow = pytest.mark.slow
by_dialect = pytest.mark.parametrize("by_url", [False, True], ids=["base64", "url"])
by_environ = pytest.mark.parametrize("environ", [{}, BUDGET], ids=["", "budget"])


@dataclass
class Report:
    """The result of many schedules. ends: the results by their kind."""

    schedules: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    def add(self, world: World) -> None:
        self.schedules += 1
        self.ends += world.results()
        faults = "; ".join(f"{fault.invocation}.{fault.position} {fault.kind}" for fault in world.faults)
        self.violations += [f"[{faults}] {violation}" for violation in world.violations()]

    def __str__(self) -> str:
        ends = ", ".join(f"{count:,} in {end}" for end, count in sorted(self.ends.items()))
        return f"{self.schedules:,} schedules: {ends}"


def check(run: Callable[[Sequence[Fault]], World], sample: int | None) -> Report:
    """Run every schedule with one fault, and pairs of faults. run: returns a world after its execution.

    sample: the number of pairs to draw, with a fixed seed; None for all pairs, 0 for none.
    """

    def ran(*faults: Fault) -> World:
        world = run(faults)
        report.add(world)
        return world

    report = Report()
    pairs = []
    for first in following(ran(), None):
        world = ran(first)
        if sample != 0:
            pairs += [(first, second) for second in following(world, first)]
    if sample is not None:
        pairs = random.Random(sample).sample(pairs, sample)
    for pair in pairs:
        ran(*pair)
    return report


def following(world: World, after: Fault | None) -> Iterator[Fault]:
    """Yield every fault that can strike a call of this world after ``after``."""
    for invocation, end in enumerate(world.ends[: world.disturbed]):
        for position, name in enumerate(end.calls):
            here = (invocation, position)
            if after and here < (after.invocation, after.position + (after.kind is not Kind.UNREACHABLE)):
                continue
            for kind in KINDS[name]:
                yield Fault(*here, kind)


def schedules(
    provider: CountingProvider,
    environ: Mapping[str, str],
    sample: int | None,
    *,
    by_url: bool,
    parts: generate_image.Parts = generate_image.PARTS,
) -> Report:
    return check(lambda faults: RequestWorld(provider, faults, environ, by_url, parts).run(), sample)


@by_dialect
@by_environ
@pytest.mark.parametrize("sample", [PAIRS, pytest.param(None, marks=slow)])
def test_faults_buy_once_within_the_budget(
    *,
    provider: CountingProvider,
    by_url: bool,
    environ: Mapping[str, str],
    sample: int | None,
    show: Callable[[object], None],
) -> None:
    report = schedules(provider, environ, sample, by_url=by_url)
    show(report)
    assert report.violations == []
    assert report.schedules > (4_000 if sample is None else 200), "fewer schedules cannot be all of them"


@pytest.mark.parametrize(
    ("environ", "sample"),
    [
        ({}, PAIRS),
        (SHARD_BUDGET, 0),
        pytest.param({}, 6_000, marks=slow),
        pytest.param(SHARD_BUDGET, 3_000, marks=slow),
    ],
)
def test_faults_of_a_shard_buy_once_within_the_budget(
    batches: BatchProvider, environ: Mapping[str, str], sample: int, show: Callable[[object], None]
) -> None:
    report = check(lambda faults: ShardWorld(batches, faults, environ).run(), sample)
    show(report)
    assert report.violations == []
    assert report.schedules > SINGLE_FAULTS + sample


@by_dialect
@by_environ
def test_buy_again_counts_each_purchase(
    *, provider: CountingProvider, by_url: bool, environ: Mapping[str, str]
) -> None:
    report = schedules(provider, {**environ, "WHEN_OUTCOME_UNKNOWN": "buy-again"}, 0, by_url=by_url)
    expected = ("billed 2 times", "billed 3 times")
    assert [violation for violation in report.violations if not violation.endswith(expected)] == []
    assert report.ends.keys() <= {"picture", "DownloadError"}  # DownloadError: the URL has expired


@by_dialect
def test_every_outward_call_has_faults(provider: CountingProvider, *, by_url: bool) -> None:
    buying, replay, *_ = RequestWorld(provider, by_url=by_url).run().ends
    bought = ["POST", "put_object if", "GET"] if by_url else ["POST"]
    secrets = ["get_secret_value", "get_secret_value"]
    assert list(buying.calls) == [*secrets, "put_object if", *bought, "put_object if", "put_object if"]
    assert list(replay.calls) == [*secrets, "put_object if", "get_object", "head_object"]
    assert {*buying.calls, *replay.calls} <= KINDS.keys()


def test_every_outward_call_of_a_shard_has_faults(batches: BatchProvider) -> None:
    world = ShardWorld(batches).run()
    submission, *checks, last = [end.calls for end in world.ends]
    assert [name for name in submission if name in {"upload", "create"}] == ["upload", "create"]
    assert all("create" not in calls and "upload" not in calls for calls in (*checks, last))
    assert "content" in last
    assert {name for end in world.ends for name in end.calls} <= KINDS.keys()


def test_budget_costs_three_reads_and_two_writes(provider: CountingProvider) -> None:
    buying, replay, *_ = RequestWorld(provider, environ=BUDGET).run().ends
    under_budget = Counter(buying.calls)
    without = Counter(RequestWorld(provider).run().ends[0].calls)
    assert under_budget - without == {"get_object": 3, "put_object if": 2}
    assert without - under_budget == {}
    assert [call for call in replay.calls if "object" in call] == ["get_object", "head_object"]  # no ledger


def test_stored_picture_is_found_though_its_url_expired(provider: CountingProvider) -> None:
    died_after_storing = Fault(0, 6, Kind.DIES_AFTER)
    world = RequestWorld(provider, [died_after_storing, Fault(2, 5, Kind.GONE)], by_url=True).run()
    assert world.ends[0].died
    assert list(world.violations()) == []
    assert world.ends[-1].answer


@pytest.mark.parametrize("name", BREAKS)
def test_broken_rule_is_detected(provider: CountingProvider, name: str) -> None:
    found = BREAKS[name]
    report = schedules(provider, found.environ, 0, by_url=found.by_url, parts=found.parts)
    assert [violation for violation in report.violations if found.violation in violation]


@pytest.mark.parametrize("parts", SHARD_BREAKS)
def test_broken_rule_of_a_shard_is_detected(batches: BatchProvider, parts: batch_shards.Parts) -> None:
    report = check(lambda faults: ShardWorld(batches, faults, parts=parts).run(), 0)
    assert [violation for violation in report.violations if "2 batches are alive" in violation]
