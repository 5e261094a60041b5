"""Under every single fault and every pair of faults, a request is bought at most once and ends in the truth.

Under a budget, settled + reserved stays within the limit and never falls below the provider's bill.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import pytest

from generate_image.functions.generate_image import PARTS, Parts
from tests.proof.breaks import BREAKS, BUDGET
from tests.proof.faults import KINDS, Fault, Kind
from tests.proof.provider import CountingProvider
from tests.proof.request_world import RequestWorld
from tests.proof.schedules import Report, check

PAIRS = 100
"""For each dialect and environment, in the fast tier."""

by_dialect = pytest.mark.parametrize("by_url", [False, True], ids=["base64", "url"])
by_environ = pytest.mark.parametrize("environ", [{}, BUDGET], ids=["", "budget"])


def schedules(
    provider: CountingProvider,
    environ: Mapping[str, str],
    sample: int | None,
    *,
    by_url: bool,
    parts: Parts = PARTS,
) -> Report:
    def run(faults: Sequence[Fault]) -> RequestWorld:
        return RequestWorld(provider, faults, environ, by_url, parts).run()

    return check(run, sample)


@by_dialect
@by_environ
@pytest.mark.parametrize("sample", [PAIRS, pytest.param(None, marks=pytest.mark.slow)])
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
