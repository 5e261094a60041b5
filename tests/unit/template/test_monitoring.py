"""The dashboard and the alarms use the metrics that the functions emit, with the same dimensions."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from generate_image.errors import ERRORS_BY_CODE
from local.expand_template import EVERY_OPTION, Stack, deploy
from tests.unit.template.emitted import lines

SEARCH = re.compile(
    r"SEARCH\('\{(?P<schema>[^}]+)\} MetricName=\"(?P<metric>\w+)\" service=\"(?P<service>[^\"]+)\"', '\w+', \d+\)"
)
QUERY = re.compile(
    r"SELECT SUM\((?P<metric>\w+)\) FROM SCHEMA\(\"(?P<namespace>\w+)\", (?P<schema>[\w, ]+)\) "
    r"WHERE service = '(?P<service>[\w-]+)'(?: AND model != '(?P<other>[^']+)')?"
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
NEEDS_AN_OPERATOR = {
    "ConfigurationError",
    "InternalError",
    "ModelUnavailableError",
    "OutcomeUnknownError",
    "ProviderAuthError",
    "QuotaExhaustedError",
}
STACK_NAME = "flows"
Metric = tuple[str, str, frozenset[tuple[str, str]]]
"""Namespace, name and dimensions. A dimension with any value has ``*``."""


@pytest.fixture(scope="module")
def stack() -> Stack:
    return deploy({"AWS::StackName": STACK_NAME}, **EVERY_OPTION)


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


def on_dashboard(stack: Stack) -> Iterator[Metric]:
    for widget in widgets(stack, "metric"):
        for row in widget["metrics"]:
            if isinstance(row[0], dict):
                found = SEARCH.fullmatch(row[0]["expression"])
                assert found, row
                namespace, *dimensions = found["schema"].split(",")
                values = dict.fromkeys(dimensions, "*") | {"service": found["service"]}
                yield namespace, found["metric"], frozenset(values.items())
            else:
                namespace, metric, *pairs = [cell for cell in row if isinstance(cell, str)]
                yield namespace, metric, frozenset(zip(pairs[::2], pairs[1::2], strict=True))


def alarms(stack: Stack) -> dict[str, dict[str, Any]]:
    return stack.of_type("AWS::CloudWatch::Alarm")


def in_alarms(stack: Stack) -> Iterator[Metric]:
    for alarm in alarms(stack).values():
        if "Metrics" in alarm:
            [query] = alarm["Metrics"]
            found = QUERY.fullmatch(query["Expression"])
            assert found, query
            values = dict.fromkeys(found["schema"].split(", "), "*") | {"service": found["service"]}
            yield found["namespace"], found["metric"], frozenset(values.items())
        else:
            dimensions = {dimension["Name"]: dimension["Value"] for dimension in alarm["Dimensions"]}
            yield alarm["Namespace"], alarm["MetricName"], frozenset(dimensions.items())


def services(metrics: Iterable[Metric]) -> set[tuple[str, str]]:
    """Return the names of our metrics, each with the services of its values."""
    return {(name, dict(dimensions)["service"]) for space, name, dimensions in metrics if space == "GenerateImage"}


def is_emitted(metric: Metric, emitted: set[Metric]) -> bool:
    namespace, name, dimensions = metric
    wanted = {key: value for key, value in dimensions if value != "*"}
    return any(
        (namespace, name, {key for key, _ in dimensions}) == (space, other, {key for key, _ in others})
        and wanted.items() <= dict(others).items()
        for space, other, others in emitted
    )


def test_dashboard_shows_all_that_is_emitted(stack: Stack, emitted: set[Metric]) -> None:
    own = [metric for metric in on_dashboard(stack) if metric[0] == "GenerateImage"]

    assert [metric for metric in own if not is_emitted(metric, emitted)] == []
    assert services(own) == services(emitted)


def test_dashboard_adds_up_the_cost_of_each_client(stack: Stack) -> None:
    [table] = widgets(stack, "log")
    bought = [line for line in lines(stack) if line.get("message") == "picture bought"]

    assert {"client_id", "cost_usd"} <= bought[0].keys()
    assert all("client_id" in line for line in bought)
    assert 'message = "picture bought" | stats sum(cost_usd) as usd' in table["query"]
    assert "by client_id" in table["query"]
    groups = [stack.properties(f"{function}LogGroup")["LogGroupName"] for function in ("GenerateImage", "BatchShards")]
    assert table["query"].startswith(" | ".join(f"SOURCE '{group}'" for group in groups))


def test_alarms_watch_what_is_emitted(stack: Stack, emitted: set[Metric]) -> None:
    own = [metric for metric in in_alarms(stack) if metric[0] == "GenerateImage"]
    names = {name for _, name, _ in own}

    assert [metric for metric in own if not is_emitted(metric, emitted)] == []
    assert services(own) == {pair for pair in services(emitted) if pair[0] in names}


def test_metrics_of_aws_are_documented(stack: Stack) -> None:
    for namespace, metric, dimensions in [*on_dashboard(stack), *in_alarms(stack)]:
        if namespace != "GenerateImage":
            names, metrics = AWS_METRICS[namespace]
            assert metric in metrics
            assert {name for name, _ in dimensions} == names


def test_every_error_for_an_operator_has_an_alarm(stack: Stack) -> None:
    watched = {value for *_, dimensions in in_alarms(stack) for key, value in dimensions if key == "error"}

    assert watched == NEEDS_AN_OPERATOR <= ERRORS_BY_CODE.keys()


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
    [topic] = stack.of_type("AWS::SNS::Topic").values()

    assert topic["Subscription"] == [{"Protocol": "email", "Endpoint": EVERY_OPTION["AlarmEmail"]}]
    assert all(alarm["AlarmActions"] == ["alarmtopic"] for alarm in alarms(stack).values())
    assert not any("AlarmActions" in alarm for alarm in alarms(deploy()).values())


def test_alarms_and_dashboard_can_be_disabled() -> None:
    stack = deploy(**EVERY_OPTION | {"CreateAlarms": "false", "CreateDashboard": "false"})

    assert {resource["Type"] for resource in stack.resources.values()}.isdisjoint(
        {"AWS::CloudWatch::Alarm", "AWS::CloudWatch::Dashboard", "AWS::SNS::Topic"}
    )


def test_dashboard_shows_every_alarm_of_the_default_stack() -> None:
    stack = deploy()
    [shown] = widgets(stack, "alarm")

    names = {arn.rpartition(":")[2] for arn in shown["alarms"]}
    assert names == {name.lower() for name in alarms(stack)}
    assert widgets(deploy(CreateAlarms="false"), "alarm") == []


def test_model_watch_exists_only_with_a_credential(stack: Stack) -> None:
    [target] = stack.properties("ModelWatchFunctionEveryDay")["Targets"]

    assert json.loads(target["Input"]) == {"credential": EVERY_OPTION["ModelWatchCredential"]}
    assert "ModelWatchFunction" not in deploy().resources
