"""Messages about stored pictures: the pattern, retries and queue of the rule; nothing without the parameters."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from moto.events.models import EventPattern

from generate_image.picture import PICTURE_TYPES, object_key
from local.expand_template import EVERY_OPTION, deploy

ID = "0f5c8a1e-3b1d-51ef-9a52-0a1b2c3d4e5f"
WEBHOOK = {name: EVERY_OPTION[name] for name in ("EventBridgeNotifications", "WebhookSecret", "WebhookUrl")}
PICTURES = [object_key("acme-co_7", ID, picture_type.extension) for picture_type in PICTURE_TYPES]
OTHER_KEYS = [object_key("acme-co_7", ID, ".json"), f"temporal/cli_1/{ID}.png.json", "lists/cover.png"]
PAGE = (Path(__file__).parents[3] / "docs" / "notifications.md").read_text("utf-8")
STACK = deploy(**WEBHOOK)


def matches(pattern: object, event: Any) -> bool:  # noqa: ANN401  # of EventBridge
    return EventPattern.load(json.dumps(pattern)).matches_event(event)


def stored(key: str, bucket: str = "picturebucket", detail_type: str = "Object Created") -> dict[str, Any]:
    """Return S3's event: https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html."""
    detail = {"version": "0", "bucket": {"name": bucket}, "object": {"key": key, "size": 5}, "reason": "PutObject"}
    return {"source": "aws.s3", "detail-type": detail_type, "resources": [f"arn:aws:s3:::{bucket}"], "detail": detail}


def test_documented_pattern_matches_pictures_alone() -> None:
    pattern = STACK.properties("PictureStoredRule")["EventPattern"]

    assert [key for key in PICTURES + OTHER_KEYS if matches(pattern, stored(key))] == PICTURES
    assert not matches(pattern, stored(PICTURES[0], bucket="another-bucket"))
    assert not matches(pattern, stored(PICTURES[0], detail_type="Object Deleted"))
    examples = re.findall(r"^```json\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert pattern in [json.loads(example.replace("BUCKET", "picturebucket")) for example in examples]


def test_whole_event_is_sent_with_retries_and_a_queue() -> None:
    [target] = STACK.properties("PictureStoredRule")["Targets"]
    [queue] = STACK.of_type("AWS::SQS::Queue").values()
    secret = STACK.properties("WebhookConnection")["AuthParameters"]["ApiKeyAuthParameters"]["ApiKeyValue"]

    assert target == {
        "Id": "webhook",
        "Arn": "arn:aws:events:eu-west-1:123456789012:api-destination/webhookdestination/0f5c8a1e",
        "RoleArn": "arn:aws:iam::123456789012:role/webhookrole",
        "RetryPolicy": {"MaximumRetryAttempts": 185, "MaximumEventAgeInSeconds": 86_400},
        "DeadLetterConfig": {"Arn": "arn:aws:sqs:eu-west-1:123456789012:undeliveredqueue"},
    }
    assert STACK.properties("WebhookDestination")["InvocationEndpoint"] == WEBHOOK["WebhookUrl"]
    assert secret == "{{resolve:secretsmanager:generate-image/webhook/2026-11}}"
    assert queue == {"SqsManagedSseEnabled": True, "MessageRetentionPeriod": 14 * 86_400}


@pytest.mark.parametrize(
    "missing", [{"WebhookUrl": ""}, {"WebhookSecret": ""}, {"EventBridgeNotifications": "false"}], ids=str
)
def test_webhook_needs_all_parameters(missing: dict[str, str]) -> None:
    reporting = STACK.properties("PictureBucket")["NotificationConfiguration"]

    assert not re.search("PictureStored|Undelivered|Webhook", str(deploy(**WEBHOOK | missing).resources))
    assert reporting == {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}
    assert "NotificationConfiguration" not in deploy().properties("PictureBucket")
    assert "UndeliveredWebhookAlarm" not in deploy(**WEBHOOK, CreateAlarms="false").resources
