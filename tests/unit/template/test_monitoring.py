"""The dashboard and the alarms use the metrics that the functions emit, with the same dimensions."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from local.expand_template import ACCOUNT, EVERY_OPTION, REGION, Stack, deploy
from tests.unit.template.emitted import lines

SEARCH = re.compile(
    r"SEARCH\('\{(?P<schema>[^}]+)\} MetricName=\"(?P<metric>\w+)\" service=\"(?P<service>[^\"]+)\"', '\w+', \d+\)"
)
QUERY = re.compile(
    r"SELECT SUM\((?P<metric>\w+)\) FROM SCHEMA\(\"(?P<schema>\w+\", [\w, ]+)\) "
    r"WHERE service = '(?P<service>[\w-]+)'(?: AND model != '[^']+')?"
)
AWS_METRICS = {
    # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
    "AWS/Lambda": ({"FunctionName"}, {"ConcurrentExecutions", "Duration", "Errors", "Throttles"}),
    # https://docs.aws.amazon.com/step-functions/latest/dg/procedure-cw-metrics.html
    "AWS/States": ({"StateMachineArn"}, {"ExecutionsFailed", "ExecutionsSucceeded"}),
    # https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html
    "AWS/ApiGateway": ({"ApiId"}, {"4xx", "5xx", "Count"}),
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
    "AWS/SQS": ({"QueueName"}, {"ApproximateNumberOfMessagesVisible"}),
}
Metric = tuple[str, str, frozenset[tuple[str, str]]]
"""Namespace, name and dimensions. A dimension with any value has ``*``."""


@pytest.fixture(scope="module")
def stack() -> Stack:
    return deploy({"AWS::StackName": "flows"}, **EVERY_OPTION)


@pytest.fixture(scope="module")
def emitted(stack: Stack) -> set[Metric]:
    return {
        (directive["Namespace"], metric["Name"], frozenset((name, line[name]) for name in dimensions))
        for line in lines(stack)
        if "_aws" in line
        for directive in line["_aws"]["CloudWatchMetrics"]
        for dimensions in directive["Dimensions"]
        for metric in directive["Metrics"]
    }


def widgets(stack: Stack, kind: str) -> list[dict[str, Any]]:
    body = json.loads(stack.properties("Dashboard")["DashboardBody"])
    return [widget["properties"] for widget in body["widgets"] if widget["type"] == kind]


def alarms(stack: Stack) -> dict[str, dict[str, Any]]:
    return stack.of_type("AWS::CloudWatch::Alarm")


def found_by(pattern: re.Pattern[str], expression: str) -> Metric:
    found = pattern.fullmatch(expression)
    assert found, expression
    namespace, *dimensions = re.findall(r"\w+", found["schema"])
    return (
        namespace,
        found["metric"],
        frozenset((dict.fromkeys(dimensions, "*") | {"service": found["service"]}).items()),
    )


def on_dashboard(stack: Stack) -> Iterator[Metric]:
    for row in (row for widget in widgets(stack, "metric") for row in widget["metrics"]):
        if isinstance(row[0], dict):
            yield found_by(SEARCH, row[0]["expression"])
        else:
            namespace, metric, *pairs = [cell for cell in row if isinstance(cell, str)]
            yield namespace, metric, frozenset(zip(pairs[::2], pairs[1::2], strict=True))


def in_alarms(stack: Stack) -> Iterator[Metric]:
    for alarm in alarms(stack).values():
        if "Metrics" in alarm:
            [query] = alarm["Metrics"]
            yield found_by(QUERY, query["Expression"])
        else:
            dimensions = frozenset((dimension["Name"], dimension["Value"]) for dimension in alarm["Dimensions"])
            yield alarm["Namespace"], alarm["MetricName"], dimensions


def is_emitted(metric: Metric, emitted: set[Metric]) -> bool:
    """Return whether a function emits it, with these dimensions and no other."""
    namespace, name, dimensions = metric
    wanted = {pair for pair in dimensions if pair[1] != "*"}
    return any(
        (namespace, name, dict(dimensions).keys()) == (space, other, dict(others).keys()) and wanted <= others
        for space, other, others in emitted
    )


def test_used_metrics_exist_and_all_are_shown(stack: Stack, emitted: set[Metric]) -> None:
    shown = list(on_dashboard(stack))
    for metric in [*shown, *in_alarms(stack)]:
        namespace, name, dimensions = metric
        if namespace == "GenerateImage":
            assert is_emitted(metric, emitted), metric
        else:
            names, metrics = AWS_METRICS[namespace]
            assert name in metrics
            assert dict(dimensions).keys() == names, metric
    assert {name for space, name, _ in shown if space == "GenerateImage"} == {name for _, name, _ in emitted}


def test_dashboard_has_every_alarm_and_the_cost_of_each_client(stack: Stack) -> None:
    [alarm_widget], [table] = widgets(stack, "alarm"), widgets(stack, "log")
    bought = [line for line in lines(stack) if line.get("message") == "picture bought"]
    groups = [stack.properties(f"{function}LogGroup")["LogGroupName"] for function in ("GenerateImage", "BatchShards")]

    assert {arn.rpartition(":")[2] for arn in alarm_widget["alarms"]} == {name.lower() for name in alarms(deploy())}
    assert {"client_id", "cost_usd"} <= bought[0].keys()
    assert table["query"].startswith(" | ".join(f"SOURCE '{group}'" for group in groups))
    assert 'message = "picture bought" | stats sum(cost_usd) as usd' in table["query"]
    assert "by client_id" in table["query"]
    assert widgets(deploy(CreateAlarms="false"), "alarm") == []


def test_spending_alarm_adds_up_all_models() -> None:
    alarm = deploy(SpendingAlarmUsdPerHour="25").properties("SpendingAlarm")

    assert alarm["Metrics"][0]["Expression"].startswith("SELECT SUM(CostUsd)")
    assert (alarm["Metrics"][0]["Period"], alarm["Threshold"]) == (3600, "25")
    assert alarm["ComparisonOperator"] == "GreaterThanThreshold"
    assert "SpendingAlarm" not in deploy(SpendingAlarmUsdPerHour="0").resources


def test_model_alarms_are_about_the_first_model() -> None:
    found = alarms(deploy(**EVERY_OPTION, ImageModels="gpt-image-2,gpt-image-2.6-flare"))

    assert {"Name": "model", "Value": "gpt-image-2"} in found["ModelDaysLeftAlarm"]["Dimensions"]
    assert found["FallbackModelAlarm"]["Metrics"][0]["Expression"].endswith("model != 'gpt-image-2'")


def test_alarms_are_sent_to_the_address(stack: Stack) -> None:
    [(logical_id, topic)] = stack.of_type("AWS::SNS::Topic").items()

    assert topic["Subscription"] == [{"Protocol": "email", "Endpoint": EVERY_OPTION["AlarmEmail"]}]
    for alarm in alarms(stack).values():
        assert alarm["AlarmActions"] == [f"arn:aws:sns:{REGION}:{ACCOUNT}:{logical_id.lower()}"]
    assert not any("AlarmActions" in alarm for alarm in alarms(deploy()).values())


def test_alarms_dashboard_and_model_watch_are_optional(stack: Stack) -> None:
    disabled = deploy(**EVERY_OPTION | {"CreateAlarms": "false", "CreateDashboard": "false"})
    [target] = stack.properties("ModelWatchFunctionEveryDay")["Targets"]

    for kind in ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::Dashboard", "AWS::SNS::Topic"):
        assert disabled.of_type(kind) == {}
    assert json.loads(target["Input"]) == {"credential": EVERY_OPTION["ModelWatchCredential"]}
    assert "ModelWatchFunction" not in deploy().resources
