"""Cut off, or answered wrongly, before or after any call it makes to the world, once or twice: it buys once."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.bought_once.faults import KINDS, Fault, Kind
from tests.bought_once.provider import CountingProvider
from tests.bought_once.schedules import Report, run, violations

ROOT = Path(__file__).parents[2]
DIALECTS = ("base64", "url")


@pytest.fixture(scope="module")
def provider() -> Iterator[CountingProvider]:
    with CountingProvider() as provider:
        yield provider


def test_every_schedule_with_one_fault_or_two(capsys: pytest.CaptureFixture[str]) -> None:
    with ThreadPoolExecutor(len(DIALECTS)) as workers:
        reports = dict(zip(DIALECTS, workers.map(_report, DIALECTS, _processors()), strict=True))
    with capsys.disabled():
        for dialect, report in reports.items():
            ends = ", ".join(f"{count:,} in {end}" for end, count in sorted(report.ends.items()))
            print(f"\n{report.schedules:,} schedules of an answer by {dialect}: {ends}", end="")  # noqa: T201  # is to be seen
    for dialect, report in reports.items():
        assert report.violations == [], dialect
        assert report.schedules > 4_000, "so many there are: fewer were not all"


def _processors() -> list[str]:
    known = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return [str(known[number % len(known)]) if known else "" for number in range(len(DIALECTS))]


def _report(dialect: str, cpu: str) -> Report:
    environ = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    command = [sys.executable, "-m", "tests.bought_once.run_schedules", dialect, cpu]
    told = subprocess.run(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True, check=True).stdout
    fields = json.loads(told)
    return Report(fields["schedules"], Counter(fields["ends"]), fields["violations"])


@pytest.mark.parametrize("by_url", [False, True], ids=DIALECTS)
def test_what_a_request_asks_of_the_world_is_all_known(provider: CountingProvider, by_url: bool) -> None:  # noqa: FBT001
    buying, replay, *_ = run(provider, by_url=by_url).ends
    bought = ["POST", "put_object if", "GET"] if by_url else ["POST"]
    secrets = ["get_secret_value", "get_secret_value"]
    assert list(buying.calls) == [*secrets, "put_object if", *bought, "put_object", "put_object if"]
    assert list(replay.calls) == [*secrets, "put_object if", "get_object", "head_object"]
    assert {*buying.calls, *replay.calls} <= KINDS.keys()


def test_a_picture_in_s3_is_found_though_its_url_is_dead(provider: CountingProvider) -> None:
    died_after_storing = Fault(0, 6, Kind.DIES_AFTER)
    world = run(provider, [died_after_storing, Fault(2, 5, Kind.GONE)], by_url=True)
    assert world.ends[0].calls[6] == "put_object"
    assert world.ends[0].died
    assert violations(world) == []
    assert world.ends[-1].answer
