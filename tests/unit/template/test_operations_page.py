"""docs/operations.md: a heading for each alarm. It and docs/budget.md: queries for fields that the functions log."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from local.expand_template import EVERY_OPTION, deploy, parse_template
from tests.unit.template.emitted import lines

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "operations.md").read_text("utf-8")
ALARMS = PAGE.partition("## Alarms")[2].partition("\n## ")[0]
PAGES = PAGE + (DOCS / "budget.md").read_text("utf-8")
QUERIES = re.findall(r"^```logs-insights\n(.*?)^```", PAGES, re.MULTILINE | re.DOTALL)
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html
COMMANDS = {"fields", "filter", "stats", "sort", "limit"}
WORDS = {"and", "as", "asc", "by", "desc", "in", "like", "not", "or"}
FUNCTIONS = {"bin", "count", "count_distinct", "ispresent", "latest", "max", "min", "pct", "sum"}
PLACEHOLDER = "IMAGE-ID"


def test_every_alarm_links_to_its_heading() -> None:
    alarms = deploy(**EVERY_OPTION, RunbookUrl="https://wiki.example/runbook").of_type("AWS::CloudWatch::Alarm")
    headings = {alarm["AlarmName"].removeprefix("generate-image-") for alarm in alarms.values()}

    assert set(re.findall(r"^### (.+)$", ALARMS, re.MULTILINE)) == headings
    for alarm in alarms.values():
        heading = alarm["AlarmName"].removeprefix("generate-image-")
        assert alarm["AlarmDescription"].endswith(f": https://wiki.example/runbook#{heading}")


@pytest.mark.parametrize("parameter", parse_template()["Parameters"])
def test_every_parameter_is_documented(parameter: str) -> None:
    pages = [DOCS.parent / "README.md", *DOCS.glob("*.md")]

    assert any(re.search(rf"\b{parameter}\b", page.read_text("utf-8")) for page in pages)


@pytest.mark.parametrize("prefix", ["temporal/", "lists/", "results/", "budgets/"])
def test_every_prefix_of_the_bucket_is_in_the_erasure_procedure(prefix: str) -> None:
    assert prefix in PAGE.partition("### Erase")[2]


@pytest.fixture(scope="module")
def logged() -> list[dict[str, Any]]:
    stack = deploy(**EVERY_OPTION)
    [stage] = stack.of_type("AWS::ApiGatewayV2::Stage").values()
    log_format = stage["AccessLogSettings"]["Format"]
    return [*lines(stack), json.loads(re.sub(r": (\$context[\w.]+)", r': "\1"', log_format))]


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.splitlines()[0])
def test_query_reads_logged_fields(logged: list[dict[str, Any]], query: str) -> None:
    """A query that matched the lines of metrics too would count twice."""
    compared = _compared(query)
    matching = [
        line
        for line in logged
        if all(
            name in line if values == {PLACEHOLDER} else line.get(name) in values for name, values in compared.items()
        )
    ]

    assert _fields(query) <= set().union(*map(_names, matching))
    assert not compared or not [line for line in matching if "_aws" in line]


def _compared(query: str) -> dict[str, set[str]]:
    """Return the values that a query compares each field with."""
    compared: dict[str, set[str]] = {}
    for name, value, values in re.findall(r'([\w.@]+) (?:=|in) (?:"([^"]*)"|\[([^]]*)\])', query):
        compared.setdefault(name, set()).update(re.findall(r'"([^"]*)"', values) if values else {value})
    return compared


def _fields(query: str) -> set[str]:
    """Return the fields that a query reads."""
    bare = re.sub(r'"[^"]*"|/[^/]*/|\bbin\(\w+\)', "", query)
    assert set(re.findall(r"(\w+)\(", bare)) <= FUNCTIONS
    assert {part.split()[0] for part in query.split("|")} <= COMMANDS
    named = set(re.findall(r"\bas (\w+)", bare)) | {"@timestamp", "@message"}
    return set(re.findall(r"@?[A-Za-z_][\w.]*", bare)) - COMMANDS - WORDS - FUNCTIONS - named


def _names(line: dict[str, Any], prefix: str = "") -> set[str]:
    """Return a line's fields as Logs Insights names them, with dots."""
    names: set[str] = set()
    for name, value in line.items():
        names |= _names(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name}
    return names
