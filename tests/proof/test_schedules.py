"""Under every single fault and every pair of faults, a request is bought at most once and ends in the truth."""

import pytest

from tests.proof.faults import KINDS, Fault, Kind
from tests.proof.provider import CountingProvider
from tests.proof.schedules import Report, check, run, violations

DIALECTS = ("base64", "url")
PAIRS = 100
"""For each dialect, in the fast tier."""


def shown(capsys: pytest.CaptureFixture[str], dialect: str, report: Report) -> None:
    ends = ", ".join(f"{count:,} in {end}" for end, count in sorted(report.ends.items()))
    with capsys.disabled():
        print(f"\n{report.schedules:,} schedules of a response by {dialect}: {ends}", end="")  # noqa: T201  # the proof


@pytest.mark.parametrize("dialect", DIALECTS)
def test_single_faults_and_some_pairs_buy_once(
    provider: CountingProvider, dialect: str, capsys: pytest.CaptureFixture[str]
) -> None:
    report = check(provider, by_url=dialect == "url", sample=PAIRS)
    shown(capsys, dialect, report)
    assert report.violations == []
    assert report.schedules > PAIRS + 100


@pytest.mark.slow
@pytest.mark.parametrize("dialect", DIALECTS)
def test_all_pairs_of_faults_buy_once(
    provider: CountingProvider, dialect: str, capsys: pytest.CaptureFixture[str]
) -> None:
    report = check(provider, by_url=dialect == "url")
    shown(capsys, dialect, report)
    assert report.violations == []
    assert report.schedules > 4_000, "fewer schedules cannot be all of them"


@pytest.mark.parametrize("by_url", [False, True], ids=DIALECTS)
def test_buy_again_ends_in_a_picture(provider: CountingProvider, by_url: bool) -> None:  # noqa: FBT001
    report = check(provider, by_url=by_url, sample=0, environ={"WHEN_OUTCOME_UNKNOWN": "buy-again"})
    assert [violation for violation in report.violations if "billed" not in violation] == []
    assert report.ends.keys() <= {"picture", "DownloadError"}  # DownloadError: the URL has expired


@pytest.mark.parametrize("by_url", [False, True], ids=DIALECTS)
def test_every_outward_call_has_faults(provider: CountingProvider, by_url: bool) -> None:  # noqa: FBT001
    buying, replay, *_ = run(provider, by_url=by_url).ends
    bought = ["POST", "put_object if", "GET"] if by_url else ["POST"]
    secrets = ["get_secret_value", "get_secret_value"]
    assert list(buying.calls) == [*secrets, "put_object if", *bought, "put_object if", "put_object if"]
    assert list(replay.calls) == [*secrets, "put_object if", "get_object", "head_object"]
    assert {*buying.calls, *replay.calls} <= KINDS.keys()


def test_stored_picture_is_found_though_its_url_expired(provider: CountingProvider) -> None:
    died_after_storing = Fault(0, 6, Kind.DIES_AFTER)
    world = run(provider, [died_after_storing, Fault(2, 5, Kind.GONE)], by_url=True)
    assert world.ends[0].died
    assert violations(world) == []
    assert world.ends[-1].answer
