"""The dashboard and the alarms name the metrics that are emitted, with the same dimensions, and all of them."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from generate_image.errors import BY_CODE
from local.account import Account
from local.openai_stand_in import StandIn
from tests.operations.runs import FAILURES, Emitted, run_everything
from tests.template.everything import EVERYTHING
from tests.template.stack import Stack, deploy

OURS = "GenerateImage"
SEARCH = re.compile(
    r"SEARCH\('\{(?P<schema>[^}]+)\} MetricName=\"(?P<metric>\w+)\" service=\"(?P<service>[^\"]+)\"', "
    r"'(?P<statistic>\w+)', (?P<period>\d+)\)"
)
AWS_METRICS = {
    # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
    "AWS/Lambda": ({"FunctionName"}, {"ConcurrentExecutions", "Duration", "Errors", "Throttles"}),
    # https://docs.aws.amazon.com/step-functions/latest/dg/procedure-cw-metrics.html
    "AWS/States": ({"StateMachineArn"}, {"ExecutionsFailed", "ExecutionsSucceeded", "ExecutionsTimedOut"}),
    # https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html
    "AWS/ApiGateway": ({"ApiId"}, {"4xx", "5xx", "Count", "Latency"}),
}
Named = tuple[str, str, frozenset[tuple[str, str]]]
"""Namespace, metric, and dimensions; a value that is sought rather than given is ``*``."""


@pytest.fixture(scope="module")
def stack() -> Stack:
    return deploy(**EVERYTHING)


@pytest.fixture
def emitted(account: Account, stand_in: StandIn) -> Emitted:
    return run_everything(account, stand_in)


def widgets(stack: Stack, kind: str) -> list[dict[str, Any]]:
    body = json.loads(stack.properties("Dashboard")["DashboardBody"])
    return [widget["properties"] for widget in body["widgets"] if widget["type"] == kind]


def on_dashboard(stack: Stack) -> Iterator[Named]:
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
    return {name: alarm["Properties"] for name, alarm in stack.of_type("AWS::CloudWatch::Alarm").items()}


def in_alarms(stack: Stack) -> Iterator[Named]:
    for alarm in alarms(stack).values():
        for metric in [
            query["MetricStat"]["Metric"] for query in alarm.get("Metrics", []) if "MetricStat" in query
        ] or [alarm]:
            dimensions = {dimension["Name"]: dimension["Value"] for dimension in metric["Dimensions"]}
            yield metric["Namespace"], metric["MetricName"], frozenset(dimensions.items())


def shapes(named: Iterator[Named]) -> set[tuple[str, frozenset[str]]]:
    return {
        (metric, frozenset(name for name, _ in dimensions))
        for namespace, metric, dimensions in named
        if namespace == OURS
    }


def emitted_shapes(metrics: list[dict[str, Any]]) -> set[tuple[str, frozenset[str]]]:
    found = set()
    for line in metrics:
        for directive in line["_aws"]["CloudWatchMetrics"]:
            assert directive["Namespace"] == OURS
            for dimensions in directive["Dimensions"]:
                assert all(isinstance(line[name], str) for name in dimensions)
                found |= {(metric["Name"], frozenset(dimensions)) for metric in directive["Metrics"]}
    return found


def test_dashboard_shows_exactly_what_is_emitted(stack: Stack, emitted: Emitted) -> None:
    assert shapes(on_dashboard(stack)) == emitted_shapes(emitted.metrics)


def test_alarms_watch_what_is_emitted(stack: Stack, emitted: Emitted) -> None:
    assert shapes(in_alarms(stack)) < emitted_shapes(emitted.metrics)


def test_every_metric_is_of_this_stack(stack: Stack) -> None:
    service = stack.properties("GenerateImageFunction")["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"]
    ours = [named for named in [*on_dashboard(stack), *in_alarms(stack)] if named[0] == OURS]

    assert ours
    assert all(("service", service) in dimensions for _, _, dimensions in ours)


def test_what_an_alarm_works_out_is_worked_out_of_its_own_metrics(stack: Stack) -> None:
    worked_out = [alarm["Metrics"] for alarm in alarms(stack).values() if "Metrics" in alarm]

    assert worked_out
    for queries in worked_out:
        [expression] = [query["Expression"] for query in queries if "Expression" in query]
        given = {query["Id"] for query in queries if "MetricStat" in query}
        assert set(re.findall(r"FILL\((\w+), 0\)", expression)) == given
        assert all(query["ReturnData"] is False for query in queries if "MetricStat" in query)


def test_metrics_of_aws_are_those_that_it_documents(stack: Stack) -> None:
    theirs = [named for named in [*on_dashboard(stack), *in_alarms(stack)] if named[0] != OURS]

    assert theirs
    for namespace, metric, dimensions in theirs:
        names, metrics = AWS_METRICS[namespace]
        assert metric in metrics
        assert {name for name, _ in dimensions} == names


def test_errors_that_are_named_exist(stack: Stack) -> None:
    named = {
        value
        for *_, dimensions in [*on_dashboard(stack), *in_alarms(stack)]
        for name, value in dimensions
        if name == "error"
    }

    assert named - {"*"} <= set(BY_CODE)


@pytest.mark.parametrize("error", FAILURES)
def test_a_failure_raises_its_alarm(stack: Stack, emitted: Emitted, error: str) -> None:
    [alarm] = [
        alarm for alarm in alarms(stack).values() if {"Name": "error", "Value": error} in alarm.get("Dimensions", [])
    ]
    [line] = emitted.of_failure[error]

    assert line["error"] == error
    assert line["Failures"][0] >= alarm["Threshold"]
    assert (alarm["Statistic"], alarm["ComparisonOperator"]) == ("Sum", "GreaterThanOrEqualToThreshold")


def test_every_error_that_needs_somebody_has_an_alarm(stack: Stack) -> None:
    watched = {
        dimension["Value"]
        for alarm in alarms(stack).values()
        for dimension in alarm.get("Dimensions", [])
        if dimension["Name"] == "error"
    }

    assert watched == set(FAILURES)


def test_the_alarm_of_days_left_is_about_the_first_model() -> None:
    alarm = alarms(deploy(**EVERYTHING, ImageModels="gpt-image-2,gpt-image-2.6-flare"))["ModelDaysLeftAlarm"]

    assert {"Name": "model", "Value": "gpt-image-2"} in alarm["Dimensions"]
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("LessThanThreshold", 30)
    assert alarm["Period"] * alarm["EvaluationPeriods"] == 86400  # the watch looks once a day


def test_alarms_are_sent_where_an_address_is_given(stack: Stack) -> None:
    [(topic, resource)] = stack.of_type("AWS::SNS::Topic").items()

    assert resource["Properties"]["Subscription"] == [{"Protocol": "email", "Endpoint": EVERYTHING["AlarmEmail"]}]
    assert all(alarm["AlarmActions"] == [topic.lower()] for alarm in alarms(stack).values())


def test_without_an_address_alarms_are_only_shown() -> None:
    stack = deploy()

    assert stack.of_type("AWS::SNS::Topic") == {}
    assert stack.of_type("AWS::KMS::Key") == {}
    assert alarms(stack)
    assert all("AlarmActions" not in alarm for alarm in alarms(stack).values())


def test_dashboard_shows_the_state_of_every_alarm_but_the_optional_one(stack: Stack) -> None:
    [shown] = widgets(stack, "alarm")

    assert {arn.rpartition(":")[2] for arn in shown["alarms"]} == {name.lower() for name in alarms(deploy())}


def test_widgets_do_not_overlap_and_fill_the_width(stack: Stack) -> None:
    taken: set[tuple[int, int]] = set()
    for widget in json.loads(stack.properties("Dashboard")["DashboardBody"])["widgets"]:
        cells = {
            (x, y)
            for x in range(widget["x"], widget["x"] + widget["width"])
            for y in range(widget["y"], widget["y"] + widget["height"])
        }
        assert not cells & taken
        assert all(x < 24 for x, _ in cells)
        taken |= cells


def test_the_watch_is_there_only_with_a_credential(stack: Stack) -> None:
    assert {name for name in deploy().resources if name.startswith("ModelWatch")} == set()
    [rule] = stack.of_type("AWS::Events::Rule").values()
    [target] = rule["Properties"]["Targets"]
    [policy] = stack.properties("ModelWatchRole")["Policies"]
    [read] = [s for s in policy["PolicyDocument"]["Statement"] if s["Sid"] == "ReadItsCredential"]

    assert rule["Properties"]["ScheduleExpression"] == "cron(17 5 * * ? *)"
    assert json.loads(target["Input"]) == {"credential": EVERYTHING["ModelWatchCredential"]}
    assert stack.properties("ModelWatchFunction")["Handler"] == "generate_image.retirement.handler"
    assert read["Resource"].endswith(":secret:generate-image/shared/credencial-openai-??????")
