"""docs/operations.md: a chapter for each alarm, and queries that ask for what the log really has."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from local.account import Account
from local.openai_stand_in import StandIn
from tests.operations.runs import run_everything
from tests.template.everything import EVERYTHING
from tests.template.stack import deploy

DOCUMENT = (Path(__file__).parents[2] / "docs" / "operations.md").read_text("utf-8")
QUERIES = re.findall(r"^```logs-insights\n(.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html
COMMANDS = {"fields", "filter", "stats", "sort", "limit"}
WORDS = {"and", "as", "asc", "by", "desc", "in", "like", "not", "or"}
FUNCTIONS = {"bin", "count", "count_distinct", "ispresent", "latest", "max", "min", "pct", "sum"}
GIVEN = {"@timestamp", "@message"}
IMAGE_ID = "PUT-THE-IMAGE-ID-HERE"
"""What the reader is to replace."""


@pytest.fixture
def lines(account: Account, stand_in: StandIn) -> list[dict[str, Any]]:
    """What the functions log, and a line of the HTTP API's access log."""
    [stage] = deploy(**EVERYTHING).of_type("AWS::ApiGatewayV2::Stage").values()
    access: dict[str, Any] = json.loads(stage["Properties"]["AccessLogSettings"]["Format"])
    emitted = run_everything(account, stand_in)
    return [*emitted.lines, *emitted.metrics, access]


def names_of(line: dict[str, Any], prefix: str = "") -> set[str]:
    """Return the fields as Logs Insights names them, with dots."""
    names = set()
    for name, value in line.items():
        names |= names_of(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name}
    return names


def used(query: str) -> tuple[set[str], dict[str, set[str]]]:
    """Return the fields that a query reads, and the values that it compares them with."""
    compared: dict[str, set[str]] = {}
    for name, value, values in re.findall(r'([\w.@]+) (?:=|in) (?:"([^"]*)"|\[([^]]*)\])', query):
        compared.setdefault(name, set()).update(re.findall(r'"([^"]*)"', values) if values else {value})
    bare = re.sub(r'"[^"]*"|/[^/]*/', "", query)
    given = set(re.findall(r"\bas (\w+)", bare))
    words = set(re.findall(r"@?[A-Za-z_][\w.]*", re.sub(r"\bbin\(\w+\)", "", bare)))
    functions = set(re.findall(r"(\w+)\(", bare))
    assert functions <= FUNCTIONS
    assert {part.split()[0] for part in query.split("|")} <= COMMANDS
    return words - COMMANDS - WORDS - functions - given - GIVEN, compared


def test_every_alarm_has_its_chapter_and_every_chapter_its_alarm() -> None:
    chapters = DOCUMENT.partition("## Alarms")[2].partition("\n## ")[0]
    alarms = [alarm["Properties"] for alarm in deploy(**EVERYTHING).of_type("AWS::CloudWatch::Alarm").values()]
    slugs = {alarm["AlarmName"].removeprefix("generate-image-") for alarm in alarms}

    assert set(re.findall(r"^### (.+)$", chapters, re.MULTILINE)) == slugs
    for alarm in alarms:
        slug = alarm["AlarmName"].removeprefix("generate-image-")
        assert alarm["AlarmDescription"].endswith(f"; docs/operations.md#{slug}")


def test_every_chapter_says_what_it_means_what_to_look_at_and_what_to_do() -> None:
    chapters = re.split(r"^### ", DOCUMENT.partition("## Alarms")[2].partition("\n## ")[0], flags=re.MULTILINE)[1:]

    for chapter in chapters:
        assert re.findall(r"^\*\*(\w+)\*\*", chapter, re.MULTILINE) == ["Means", "Look", "Do"], chapter


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.splitlines()[0])
def test_a_query_asks_for_what_is_logged(lines: list[dict[str, Any]], query: str) -> None:
    """Metrics lie on the same log; a query that matched one would count twice."""
    fields, compared = used(query)
    asked_for = [
        line
        for line in lines
        if all(name in line if values == {IMAGE_ID} else line.get(name) in values for name, values in compared.items())
    ]
    logged = set().union(*map(names_of, asked_for))

    assert fields <= logged, fields - logged
    assert not [line for line in asked_for if "_aws" in line] or not compared
    for name, values in compared.items():
        assert values == {IMAGE_ID} or {line[name] for line in asked_for} == values


def test_links_lead_somewhere() -> None:
    folder = Path(__file__).parents[2] / "docs"
    for target in re.findall(r"\]\(([^)]+)\)", DOCUMENT):
        file, _, anchor = target.partition("#")
        text = (folder / file).read_text("utf-8") if file else DOCUMENT
        found = {heading.lower().replace(" ", "-") for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}
        assert not anchor or anchor in found, target
