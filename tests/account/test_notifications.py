"""A purchase sends one message about its picture to a webhook, with the rule and the retries of template.yaml."""

import json
from typing import Any

import pytest

from local.account import BUCKET, Account
from local.notifications import SECRET_HEADER, Notifications
from tests.events import event_for
from tests.memory_s3 import Clock
from tests.module import Module
from tests.provider_server import ProviderServer, respond

PROMPT = "Un faro al atardecer"
SECRET = "a long random text"
KEY = "temporal/cli_1/0f5c8a1e-3b1d-51ef-9a52-0a1b2c3d4e5f.png"
DELIVERED = respond(204, b"")


class Messages:
    """The messages to a webhook, with a clock of their own, on which only the waits take time."""

    def __init__(self, account: Account, url: str) -> None:
        self.lines: list[str] = []
        self._account = account
        self._clock = Clock()
        self._notifications = Notifications(account, url, SECRET, self.lines.append, clock=self._clock)

    def store(self) -> None:
        self._account.s3().put_object(Bucket=BUCKET, Key=KEY, Body=b"\x89PNG")

    def finish(self) -> list[float]:
        """Deliver until no message waits. Return the waits in seconds."""
        waits = []
        while (wait := self._notifications.deliver()) is not None:
            waits.append(wait)
            self._clock.pass_by(wait)
        return waits

    def undelivered(self) -> list[str]:
        """Return the keys in the queue of undelivered messages."""
        sqs = self._account.session().client("sqs", endpoint_url=self._account.endpoint)
        found = sqs.receive_message(QueueUrl=sqs.get_queue_url(QueueName="undelivered")["QueueUrl"])
        return [key_in(json.loads(message["Body"])) for message in found.get("Messages", [])]


def key_in(body: dict[str, Any]) -> str:
    key: str = body["detail"]["object"]["key"]
    return key


def test_purchase_sends_one_message_and_a_replay_none(module: Module) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html."""
    module.restart(MONTHLY_BUDGET_USD="10")
    event = event_for(PROMPT, idempotency_key="order-1")
    with ProviderServer(DELIVERED) as webhook:
        messages = Messages(module.account, webhook.base_url)
        bought = module.invoke(event)
        messages.finish()
        replayed = module.invoke(event)
        messages.finish()

    assert replayed["_meta_"]["replayed"]
    assert len(module.records()) == 2  # with the ledger
    [request] = webhook.requests
    body = json.loads(request.body)
    assert key_in(body) == bought["_meta_"]["key"]
    assert body["detail"]["object"].keys() == {"key", "size", "etag", "version-id", "sequencer"}
    assert (body["detail"]["bucket"], body["detail"]["reason"]) == ({"name": BUCKET}, "PutObject")
    assert (body["source"], body["detail-type"]) == ("aws.s3", "Object Created")
    assert body["resources"] == [f"arn:aws:s3:::{BUCKET}"]
    assert request.headers["user-agent"] == "Amazon/EventBridge/ApiDestinations"
    assert request.headers["content-type"] == "application/json; charset=utf-8"
    assert request.headers[SECRET_HEADER.lower()] == SECRET
    text = request.body.decode()
    assert [part for part in (PROMPT, "http", bought["data"]["urlPath"]) if part in text] == []


@pytest.mark.parametrize(
    ("statuses", "waits", "undelivered"),
    [
        ([500, 429, 401, 407, 409], [2, 4, 8, 16, 32], []),
        ([301], [], [KEY]),
        ([400], [], [KEY]),
    ],
)
def test_failed_message_is_retried_or_kept(
    account: Account, statuses: list[int], waits: list[float], undelivered: list[str]
) -> None:
    with ProviderServer(*(respond(status, b"") for status in statuses), DELIVERED) as webhook:
        messages = Messages(account, webhook.base_url)
        messages.store()
        assert messages.finish() == waits

    assert messages.undelivered() == undelivered
    sent = [json.loads(request.body) for request in webhook.requests]
    assert [key_in(body) for body in sent] == [KEY] * (len(waits) + 1)
    assert len({body["id"] for body in sent}) == 1


def test_missing_webhook_is_retried_for_24_hours(account: Account) -> None:
    webhook = ProviderServer(DELIVERED)
    messages = Messages(account, webhook.base_url)
    messages.store()
    waits = messages.finish()
    webhook.close()

    assert (len(waits), round(sum(waits) / 3600)) == (185, 24)
    assert messages.undelivered() == [KEY]
    assert messages.lines[0] == f"Webhook: {KEY} failed (no response). Retry in 2 s."
    assert "queue of undelivered messages" in messages.lines[-1]
