"""The operator's view: dashboard, alarms, docs/operations.md and the log queries follow from what the functions log."""

import json
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from datetime import date
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from generate_image.errors import ERRORS_BY_CODE, ConfigurationError, ContentRejectedError
from generate_image.log import Log
from generate_image.picture import BoughtPicture, StoredPicture, Usage
from generate_image.record import Record
from generate_image.state import Failed, state_of
from local.expand_template import ACCOUNT, EVERY_OPTION, REGION, Stack, deploy

SEARCH = re.compile(
    r"SEARCH\('\{(?P<schema>[^}]+)\} MetricName=\"(?P<metric>\w+)\" service=\"(?P<service>[^\"]+)\"', '\w+', \d+\)"
)
QUERY = re.compile(
    r"SELECT SUM\((?P<metric>\w+)\) FROM SCHEMA\(\"(?P<schema>\w+\", [\w, ]+)\) "
    r"WHERE service = '(?P<service>[\w-]+)'(?: AND model != '[^']+')?"
)
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/aws-services-cloudwatch-metrics.html
AWS_METRICS = {
    "AWS/Lambda": ("FunctionName", {"ConcurrentExecutions", "Duration", "Errors", "Throttles"}),
    "AWS/States": ("StateMachineArn", {"ExecutionsFailed", "ExecutionsSucceeded"}),
    "AWS/ApiGateway": ("ApiId", {"4xx", "5xx", "Count"}),
    "AWS/SQS": ("QueueName", {"ApproximateNumberOfMessagesVisible"}),
}
Metric = tuple[str, str, dict[str, str]]
"""Namespace, name and dimensions. A dimension with any value has ``*``."""
DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "operations.md").read_text("utf-8")
ALARMS = PAGE.partition("## Alarms")[2].partition("\n## ")[0]
PAGES = PAGE + (DOCS / "budget.md").read_text("utf-8")
QUERIES = re.findall(r"^```logs-insights\n(.*?)^```", PAGES, re.MULTILINE | re.DOTALL)
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html
WORDS = {"fields", "filter", "stats", "sort", "limit", "and", "as", "asc", "by", "desc", "in", "like", "not", "or"}
PICTURE = BoughtPicture("gpt-image-2.6-flare", "req_1", Usage(23, 439, 462), 0.0133)
IMAGE_ID = "0f5c8a1e-3b1d-51ef-9a52-0a1b2c3d4e5f"


@pytest.fixture(scope="module")
def stack() -> Stack:
    # Powertools keeps the stream of the first logger of a name.
    return deploy({"AWS::StackName": f"flows-{uuid4()}"}, **EVERY_OPTION)


@pytest.fixture(scope="module")
def lines(stack: Stack) -> list[dict[str, Any]]:
    """The lines of the functions that emit metrics, with each method of the log. Those of metrics have ``_aws``.

    Both functions that buy have the same service.
    """
    stream = StringIO()
    properties = (stack.properties(name) for name in ("GenerateImageFunction", "ModelWatchFunction"))
    buyer, watch = (Log(each["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"], stream) for each in properties)
    with redirect_stdout(stream):
        buyer.start_invocation("0f5c8a1e")
        buyer.batch_submitted_twice("batch_1")
        buyer.line_not_read("0f5c8a1e")
        buyer.bind(client_id="1", image_id=IMAGE_ID)
        buyer.picture_bought(PICTURE, 12.3)
        buyer.picture_bought(PICTURE._replace(model="dall-e-3", cost_usd=None), None)
        buyer.picture_stored(StoredPicture("temporal/cli_1/0f5c.png", "image/png", 0, "present"), PICTURE.model)
        buyer.picture_replayed(PICTURE, "temporal/cli_1/0f5c.png")
        buyer.record_not_written("stored", ConfigurationError("failed"))
        buyer.settled_in_full(IMAGE_ID, 0.25)
        buyer.settled_above_reservation(IMAGE_ID, 0.3, 0.25)
        buyer.ledger_not_written(ConfigurationError("failed"))
        for error in ERRORS_BY_CODE.values():
            buyer.request_failed(error("failed"))
        buyer.unexpected_exception(ZeroDivisionError())
        watch.start_invocation("0f5c8a1e")
        watch.model_checked("gpt-image-2.6-flare", date(2026, 12, 1), 9)
        watch.model_checked("gpt-image-2", None, None)
        watch.model_gone("gpt-image-1.5")
        watch.models_not_checked("gpt-image-2", "HTTP 403")
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.fixture(scope="module")
def emitted(lines: list[dict[str, Any]]) -> list[Metric]:
    return [
        (directive["Namespace"], metric["Name"], {name: line[name] for name in dimensions})
        for line in lines
        if "_aws" in line
        for directive in line["_aws"]["CloudWatchMetrics"]
        for dimensions in directive["Dimensions"]
        for metric in directive["Metrics"]
    ]


def widgets(stack: Stack, kind: str) -> list[dict[str, Any]]:
    body = json.loads(stack.properties("Dashboard")["DashboardBody"])
    return [widget["properties"] for widget in body["widgets"] if widget["type"] == kind]


def alarms(stack: Stack) -> dict[str, dict[str, Any]]:
    return stack.of_type("AWS::CloudWatch::Alarm")


def found_by(pattern: re.Pattern[str], expression: str) -> Metric:
    found = pattern.fullmatch(expression)
    assert found, expression
    namespace, *dimensions = re.findall(r"\w+", found["schema"])
    return namespace, found["metric"], dict.fromkeys(dimensions, "*") | {"service": found["service"]}


def on_dashboard(stack: Stack) -> Iterator[Metric]:
    for row in (row for widget in widgets(stack, "metric") for row in widget["metrics"]):
        if isinstance(row[0], dict):
            yield found_by(SEARCH, row[0]["expression"])
        else:
            namespace, metric, *pairs = [cell for cell in row if isinstance(cell, str)]
            yield namespace, metric, dict(zip(pairs[::2], pairs[1::2], strict=True))


def in_alarms(stack: Stack) -> Iterator[Metric]:
    for alarm in alarms(stack).values():
        if "Metrics" in alarm:
            [query] = alarm["Metrics"]
            yield found_by(QUERY, query["Expression"])
        else:
            dimensions = {dimension["Name"]: dimension["Value"] for dimension in alarm["Dimensions"]}
            yield alarm["Namespace"], alarm["MetricName"], dimensions


def test_used_metrics_exist_and_all_are_shown(stack: Stack, emitted: list[Metric]) -> None:
    shown = list(on_dashboard(stack))
    for used in [*shown, *in_alarms(stack)]:
        namespace, name, dimensions = used
        if namespace == "GenerateImage":
            assert any(
                (space, other, values.keys()) == (namespace, name, dimensions.keys())
                and all(value in ("*", values[key]) for key, value in dimensions.items())
                for space, other, values in emitted
            ), used
        else:
            dimension, metrics = AWS_METRICS[namespace]
            assert ([*dimensions], name in metrics) == ([dimension], True), used
    assert {name for space, name, _ in shown if space == "GenerateImage"} == {name for _, name, _ in emitted}


def test_dashboard_has_every_alarm_and_the_cost_of_each_client(stack: Stack, lines: list[dict[str, Any]]) -> None:
    [alarm_widget], [table] = widgets(stack, "alarm"), widgets(stack, "log")
    bought = [line for line in lines if line.get("message") == "picture bought"]
    groups = [stack.properties(f"{function}LogGroup")["LogGroupName"] for function in ("GenerateImage", "BatchShards")]

    assert {arn.rpartition(":")[2] for arn in alarm_widget["alarms"]} == {name.lower() for name in alarms(deploy())}
    assert {"client_id", "cost_usd"} <= bought[0].keys()
    assert table["query"].startswith(" | ".join(f"SOURCE '{group}'" for group in groups))
    assert 'message = "picture bought" | stats sum(cost_usd) as usd' in table["query"]
    assert "by client_id" in table["query"]
    assert widgets(deploy(CreateAlarms="false"), "alarm") == []


def test_alarms_follow_the_limit_and_the_first_model() -> None:
    """The spending alarm adds up all models."""
    found = alarms(deploy(**EVERY_OPTION, ImageModels="gpt-image-2,gpt-image-2.6-flare", SpendingAlarmUsdPerHour="25"))
    [spending] = found["SpendingAlarm"]["Metrics"]

    assert found["SpendingAlarm"]["ComparisonOperator"] == "GreaterThanThreshold"
    assert found["SpendingAlarm"]["Threshold"] == "25"
    assert (spending["Expression"].split(" FROM")[0], spending["Period"]) == ("SELECT SUM(CostUsd)", 3600)
    assert "SpendingAlarm" not in deploy(SpendingAlarmUsdPerHour="0").resources
    assert {"Name": "model", "Value": "gpt-image-2"} in found["ModelDaysLeftAlarm"]["Dimensions"]
    assert found["FallbackModelAlarm"]["Metrics"][0]["Expression"].endswith("model != 'gpt-image-2'")


def test_alarms_send_their_heading_to_the_address() -> None:
    stack = deploy(**EVERY_OPTION, RunbookUrl="https://wiki.example/runbook")
    headings = {alarm["AlarmName"].removeprefix("generate-image-"): alarm for alarm in alarms(stack).values()}
    [(logical_id, topic)] = stack.of_type("AWS::SNS::Topic").items()

    assert topic["Subscription"] == [{"Protocol": "email", "Endpoint": EVERY_OPTION["AlarmEmail"]}]
    assert set(re.findall(r"^### (.+)$", ALARMS, re.MULTILINE)) == headings.keys()
    for heading, alarm in headings.items():
        assert alarm["AlarmActions"] == [f"arn:aws:sns:{REGION}:{ACCOUNT}:{logical_id.lower()}"]
        assert alarm["AlarmDescription"].endswith(f": https://wiki.example/runbook#{heading}")
    assert not any("AlarmActions" in alarm for alarm in alarms(deploy()).values())


def test_alarms_dashboard_and_model_watch_are_optional(stack: Stack) -> None:
    disabled = deploy(**EVERY_OPTION | {"CreateAlarms": "false", "CreateDashboard": "false"})
    [target] = stack.properties("ModelWatchFunctionEveryDay")["Targets"]

    assert not {"AWS::CloudWatch::Alarm", "AWS::CloudWatch::Dashboard", "AWS::SNS::Topic"} & {
        resource["Type"] for resource in disabled.resources.values()
    }
    assert json.loads(target["Input"]) == {"credential": EVERY_OPTION["ModelWatchCredential"]}
    assert "ModelWatchFunction" not in deploy().resources


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


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.splitlines()[0])
def test_query_reads_logged_fields(stack: Stack, lines: list[dict[str, Any]], query: str) -> None:
    """A query that matched the lines of metrics too would count twice."""
    [stage] = stack.of_type("AWS::ApiGatewayV2::Stage").values()
    request = json.loads(re.sub(r": (\$context[\w.]+)", r': "\1"', stage["AccessLogSettings"]["Format"]))
    compared: dict[str, set[str]] = {}
    for name, values in re.findall(r'([\w.@]+) (?:=|in) ("[^"]*"|\[[^]]*\])', query):
        compared.setdefault(name, set()).update(re.findall(r'"([^"]*)"', values))
    matching = [
        line
        for line in [*lines, request]
        if all(name in line and (values == {"IMAGE-ID"} or line[name] in values) for name, values in compared.items())
    ]

    assert _fields(query) <= set().union(*matching)
    assert not compared or not [line for line in matching if "_aws" in line]


def _fields(query: str) -> set[str]:
    """Return the fields that a query reads."""
    bare = re.sub(r'"[^"]*"|/[^/]*/|\bbin\(\w+\)|\w+\(', "", query)
    named = set(re.findall(r"\bas (\w+)", bare)) | {"@timestamp", "@message"}
    return set(re.findall(r"@?[A-Za-z_][\w.]*", bare)) - WORDS - named
