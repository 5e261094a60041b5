"""Messages about stored pictures: the pattern, retries and queue of the rule; nothing without the parameters."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from moto.events.models import EventPattern

from generate_image.picture import PICTURE_TYPES, object_key
from local.expand_template import EVERY_OPTION, Stack, deploy

ID = "0f5c8a1e-3b1d-51ef-9a52-0a1b2c3d4e5f"
WEBHOOK = {name: EVERY_OPTION[name] for name in ("EventBridgeNotifications", "WebhookSecret", "WebhookUrl")}
PICTURES = [object_key("acme-co_7", ID, picture_type.extension) for picture_type in PICTURE_TYPES]
OTHER_KEYS = [
    object_key("acme-co_7", ID, ".json"),
    f"temporal/cli_1/{ID}.png.json",
    f"temporal/cli_1/{ID}",
    "budgets/cli_1/2026-11.json",
    "lists/spring.csv",
    "lists/cover.png",
    "results/spring/manifest.json",
    "results/spring/items.jsonl",
]


PAGE = (Path(__file__).parents[3] / "docs" / "notifications.md").read_text("utf-8")
DOCUMENTED = {
    example["detail-type"][0]: example
    for example in map(json.loads, re.findall(r"^```json\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
    if isinstance(example.get("source"), list)
}


@pytest.fixture(scope="module")
def stack() -> Stack:
    return deploy(**WEBHOOK)


def event(key: str, *, bucket: str = "picturebucket", detail_type: str = "Object Created") -> dict[str, Any]:
    """Return S3's event: https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html."""
    return {
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": detail_type,
        "source": "aws.s3",
        "resources": [f"arn:aws:s3:::{bucket}"],
        "detail": {
            "version": "0",
            "bucket": {"name": bucket},
            "object": {"key": key, "size": 5},
            "reason": "PutObject",
        },
    }


def matches(stack: Stack, event: dict[str, Any]) -> bool:
    pattern = EventPattern.load(json.dumps(stack.properties("PictureStoredRule")["EventPattern"]))
    return pattern.matches_event(event)  # type: ignore[arg-type]  # moto's own type for any event


@pytest.mark.parametrize("key", PICTURES)
def test_picture_matches_the_rule(stack: Stack, key: str) -> None:
    assert matches(stack, event(key))


@pytest.mark.parametrize("key", OTHER_KEYS)
def test_no_other_object_matches_the_rule(stack: Stack, key: str) -> None:
    assert not matches(stack, event(key))


def test_documented_pattern_is_that_of_the_rule(stack: Stack) -> None:
    documented = json.dumps(DOCUMENTED["Object Created"]).replace("BUCKET", "picturebucket")

    assert json.loads(documented) == stack.properties("PictureStoredRule")["EventPattern"]


@pytest.mark.parametrize(
    ("status", "is_failure"), [("FAILED", True), ("TIMED_OUT", True), ("ABORTED", True), ("SUCCEEDED", False)]
)
def test_documented_pattern_finds_failed_executions(*, status: str, is_failure: bool) -> None:
    """https://docs.aws.amazon.com/step-functions/latest/dg/cw-events.html."""
    name = "Step Functions Execution Status Change"
    detail = {"status": status, "stateMachineArn": "STATE-MACHINE-ARN", "input": "{}", "output": None}
    event: Any = {"source": "aws.states", "detail-type": name, "detail": detail}

    assert EventPattern.load(json.dumps(DOCUMENTED[name])).matches_event(event) is is_failure


def test_other_buckets_and_events_do_not_match(stack: Stack) -> None:
    assert not matches(stack, event(PICTURES[0], bucket="another-bucket"))
    assert not matches(stack, event(PICTURES[0], detail_type="Object Deleted"))


def test_whole_event_is_sent_with_retries(stack: Stack) -> None:
    [target] = stack.properties("PictureStoredRule")["Targets"]
    destination = stack.properties("WebhookDestination")

    assert target["Arn"].endswith(":api-destination/webhookdestination/0f5c8a1e")
    assert (destination["InvocationEndpoint"], destination["HttpMethod"]) == (WEBHOOK["WebhookUrl"], "POST")
    assert target["RetryPolicy"] == {"MaximumRetryAttempts": 185, "MaximumEventAgeInSeconds": 86_400}
    assert target.keys().isdisjoint({"Input", "InputPath", "InputTransformer"})


def test_secret_is_a_reference_that_no_function_may_read(stack: Stack) -> None:
    parameters = stack.properties("WebhookConnection")["AuthParameters"]["ApiKeyAuthParameters"]

    assert parameters["ApiKeyValue"] == "{{resolve:secretsmanager:generate-image/webhook/2026-11}}"
    for role in stack.of_type("AWS::IAM::Role"):
        assert "/webhook/" not in json.dumps(stack.statements(role))


def test_undelivered_messages_wait_encrypted_for_14_days(stack: Stack) -> None:
    [target] = stack.properties("PictureStoredRule")["Targets"]
    [queue] = stack.of_type("AWS::SQS::Queue").values()
    alarm = stack.properties("UndeliveredWebhookAlarm")

    assert target["DeadLetterConfig"] == {"Arn": "arn:aws:sqs:eu-west-1:123456789012:undeliveredqueue"}
    assert queue == {"SqsManagedSseEnabled": True, "MessageRetentionPeriod": 14 * 86_400}
    assert alarm["Dimensions"] == [{"Name": "QueueName", "Value": "undeliveredqueue"}]
    assert "UndeliveredWebhookAlarm" not in deploy(**WEBHOOK, CreateAlarms="false").resources


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {**WEBHOOK, "WebhookUrl": ""},
        {**WEBHOOK, "WebhookSecret": ""},
        {**WEBHOOK, "EventBridgeNotifications": "false"},
    ],
)
def test_nothing_is_created_without_all_parameters(parameters: dict[str, str]) -> None:
    added = deploy(**WEBHOOK).resources.keys() - deploy(**parameters).resources.keys()

    assert added == {
        "PictureStoredRule",
        "UndeliveredQueue",
        "UndeliveredQueuePolicy",
        "UndeliveredWebhookAlarm",
        "WebhookConnection",
        "WebhookDestination",
        "WebhookRole",
    }


def test_bucket_reports_only_on_demand() -> None:
    reporting = deploy(EventBridgeNotifications="true").properties("PictureBucket")

    assert reporting["NotificationConfiguration"] == {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}
    assert "NotificationConfiguration" not in deploy().properties("PictureBucket")
