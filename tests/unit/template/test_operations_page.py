"""docs/operations.md (alarms, erasure) and the log queries, also of docs/budget.md: they follow from the code."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from generate_image.errors import ContentRejectedError
from generate_image.record import Record
from generate_image.state import Failed, state_of
from local.expand_template import EVERY_OPTION, deploy
from tests.unit.template.emitted import lines

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "operations.md").read_text("utf-8")
ALARMS = PAGE.partition("## Alarms")[2].partition("\n## ")[0]
PAGES = PAGE + (DOCS / "budget.md").read_text("utf-8")
QUERIES = re.findall(r"^```logs-insights\n(.*?)^```", PAGES, re.MULTILINE | re.DOTALL)
PLACEHOLDER = "IMAGE-ID"
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html
WORDS = {"fields", "filter", "stats", "sort", "limit", "and", "as", "asc", "by", "desc", "in", "like", "not", "or"}


def test_every_alarm_links_to_its_heading() -> None:
    alarms = deploy(**EVERY_OPTION, RunbookUrl="https://wiki.example/runbook").of_type("AWS::CloudWatch::Alarm")
    headings = {alarm["AlarmName"].removeprefix("generate-image-"): alarm for alarm in alarms.values()}

    assert set(re.findall(r"^### (.+)$", ALARMS, re.MULTILINE)) == headings.keys()
    for heading, alarm in headings.items():
        assert alarm["AlarmDescription"].endswith(f": https://wiki.example/runbook#{heading}")


def test_erasure_names_every_prefix_of_the_bucket() -> None:
    rules = deploy().properties("PictureBucket")["LifecycleConfiguration"]["Rules"]

    assert [rule["Prefix"] for rule in rules if f"`{rule['Prefix']}" not in PAGE.partition("### Erase")[2]] == []


def test_erased_record_ends_every_retry() -> None:
    [merged] = re.findall(r"^jq '\. \+ (\{.*?\})' record\.json > erased\.json$", PAGE, re.MULTILINE | re.DOTALL)
    records = json.loads((Path(__file__).parents[1] / "version_1.json").read_text("utf-8"))["records"]
    [record] = [record for record in records if {"key", "source_url"} <= record["picture"].keys()]

    content = json.dumps(record | json.loads(merged), ensure_ascii=False)
    erased = Record.from_json(content.encode(), "etag")
    state = state_of(erased, 1.0, lambda _: None)

    assert isinstance(state, Failed)
    assert isinstance(state.error, ContentRejectedError)
    assert (erased.image_id, erased.request_hash) == (record["image_id"], record["request_hash"])
    assert not re.search("faro|pedido|provider.example", content)


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
        if all(name in line and (values == {PLACEHOLDER} or line[name] in values) for name, values in compared.items())
    ]

    assert _fields(query) <= set().union(*map(_names, matching))
    assert not compared or not [line for line in matching if "_aws" in line]


def _compared(query: str) -> dict[str, set[str]]:
    """Return the values that a query compares each field with."""
    compared: dict[str, set[str]] = {}
    for name, values in re.findall(r'([\w.@]+) (?:=|in) ("[^"]*"|\[[^]]*\])', query):
        compared.setdefault(name, set()).update(re.findall(r'"([^"]*)"', values))
    return compared


def _fields(query: str) -> set[str]:
    """Return the fields that a query reads."""
    bare = re.sub(r'"[^"]*"|/[^/]*/|\bbin\(\w+\)|\w+\(', "", query)
    named = set(re.findall(r"\bas (\w+)", bare)) | {"@timestamp", "@message"}
    return set(re.findall(r"@?[A-Za-z_][\w.]*", bare)) - WORDS - named


def _names(line: dict[str, Any], prefix: str = "") -> set[str]:
    """Return a line's fields as Logs Insights names them, with dots."""
    names: set[str] = set()
    for name, value in line.items():
        names |= _names(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name}
    return names
