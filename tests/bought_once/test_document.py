"""docs/bought-once.md says what the code does."""

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from generate_image.errors import BY_CODE
from generate_image.records import NEXT
from tests.bought_once.provider import CountingProvider
from tests.bought_once.schedules import run
from tests.bought_once.world import World

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "bought-once.md").read_text("utf-8")
DOLLARS = {"PUT": 0.005 / 1000, "GET": 0.0004 / 1000, "HEAD": 0.0004 / 1000}


def test_the_diagram_has_the_transitions_of_the_code() -> None:
    drawn = re.findall(r"^    (\S+) --> (\w+): ", DOCUMENT, re.MULTILINE)
    assert len(drawn) == len(set(drawn))
    assert set(drawn) == {(before or "[*]", after) for before, afters in NEXT.items() for after in afters}


def test_every_error_has_advice() -> None:
    section = DOCUMENT.partition("## What to do with each error")[2].partition("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| `")]
    assert sorted(row[0].strip("`") for row in rows) == sorted(BY_CODE)
    for code, *_, http in rows:
        assert http.startswith(str(BY_CODE[code.strip("`")].status)) or http == "does not occur", code


def test_the_fault_table_is_what_the_command_prints() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "local.fault_table"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    kept = re.search(r"<!-- python -m local\.fault_table -->\n(.*?)<!-- end -->", DOCUMENT, re.DOTALL)
    assert kept
    assert printed == kept[1]


@pytest.fixture(scope="module")
def provider() -> Iterator[CountingProvider]:
    with CountingProvider() as provider:
        yield provider


def cost_line(name: str, calls: Iterable[str]) -> str:
    """Return the document's line for these outward calls."""
    verbs = [call.removesuffix(" if").removesuffix("_object").upper() for call in calls if "_object" in call]
    counts = Counter(verbs)
    dollars = sum(DOLLARS[verb] * count for verb, count in counts.items())
    return f"| {name} | {', '.join(f'{counts[verb]} {verb}' for verb in DOLLARS if counts[verb])} | {dollars:.7f} |"


def test_the_costs_are_those_of_the_calls_that_are_made(provider: CountingProvider) -> None:
    bought, replayed, *_ = run(provider, by_url=False).ends
    by_url = run(provider, by_url=True).ends[0]
    assert cost_line("a picture, its bytes in the answer", bought.calls) in DOCUMENT
    assert cost_line("a picture by URL", by_url.calls) in DOCUMENT
    assert cost_line("a replay", replayed.calls) in DOCUMENT


def test_the_cost_of_asking_while_another_buys_is_that_of_the_calls(provider: CountingProvider) -> None:
    world = World(provider)
    world.invoke()
    key = next(key for key in world.storage.objects if key.endswith(".json"))
    found = world.storage.objects[key]
    started = found.body.replace(b'"status": "stored"', b'"status": "started"')
    world.storage.put_object(Bucket="", Key=key, Body=started, ContentType=found.content_type)
    assert cost_line("a call while another buys", world.invoke().calls) in DOCUMENT
