"""A purchase sends one message about its picture to a webhook, with the rule and the retries of template.yaml."""

import json
from collections.abc import Iterable, Iterator
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

import pytest
from werkzeug import Request, Response

from local.account import BUCKET, Account
from local.loopback import serving
from local.notifications import SECRET_HEADER, Notifications
from tests.events import event_for
from tests.memory_s3 import Clock
from tests.module import Module

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

PROMPT = "Un faro al atardecer"
SECRET = "a long random text"
KEY = "temporal/cli_1/0f5c8a1e-3b1d-51ef-9a52-0a1b2c3d4e5f.png"


class Webhook:
    """A webhook and its notifications, with a clock of their own, on which only the waits take time."""

    def __init__(self, account: Account) -> None:
        self.requests: list[Request] = []
        self.statuses: Iterator[int] = repeat(204)
        self.lines: list[str] = []
        self._account = account

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        request = Request(environ)
        request.get_data()  # before the connection is closed
        self.requests.append(request)
        return Response(status=next(self.statuses))(environ, start_response)

    def subscribe(self, port: int) -> None:
        self._clock = Clock()
        url = f"http://127.0.0.1:{port}/pictures"
        self._notifications = Notifications(self._account, url, SECRET, self.lines.append, clock=self._clock)

    def finish(self) -> list[float]:
        """Deliver until no message waits. Return the waits in seconds."""
        waits = []
        while (wait := self._notifications.deliver()) is not None:
            waits.append(wait)
            self._clock.pass_by(wait)
        return waits

    def store(self) -> None:
        s3 = self._account.session().client("s3", endpoint_url=self._account.endpoint)
        s3.put_object(Bucket=BUCKET, Key=KEY, Body=b"\x89PNG")

    def keys(self) -> list[str]:
        return [key_in(request.get_json()) for request in self.requests]

    def undelivered(self) -> list[str]:
        """Return the keys in the queue of undelivered messages."""
        sqs = self._account.session().client("sqs", endpoint_url=self._account.endpoint)
        found = sqs.receive_message(QueueUrl=sqs.get_queue_url(QueueName="undelivered")["QueueUrl"])
        return [key_in(json.loads(message["Body"])) for message in found.get("Messages", [])]


@pytest.fixture
def hook(account: Account) -> Iterator[Webhook]:
    hook = Webhook(account)
    with serving(hook, 0) as server:
        hook.subscribe(server.port)
        yield hook


def key_in(body: dict[str, Any]) -> str:
    key: str = body["detail"]["object"]["key"]
    return key


def test_purchase_sends_one_message_and_a_replay_none(module: Module, hook: Webhook) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html."""
    module.restart(MONTHLY_BUDGET_USD="10")
    event = event_for(PROMPT, idempotency_key="order-1")

    bought = module.invoke(event)
    hook.finish()
    replayed = module.invoke(event)
    hook.finish()

    assert replayed["_meta_"]["replayed"]
    assert len(module.records()) == 2  # with the ledger
    assert hook.keys() == [bought["_meta_"]["key"]]
    [request] = hook.requests
    body, headers = request.get_json(), request.headers
    assert body["detail"]["object"].keys() == {"key", "size", "etag", "version-id", "sequencer"}
    assert (body["detail"]["bucket"], body["detail"]["reason"]) == ({"name": BUCKET}, "PutObject")
    assert (body["source"], body["detail-type"]) == ("aws.s3", "Object Created")
    assert body["resources"] == [f"arn:aws:s3:::{BUCKET}"]
    assert headers["User-Agent"] == "Amazon/EventBridge/ApiDestinations"
    assert (headers["Content-Type"], headers[SECRET_HEADER]) == ("application/json; charset=utf-8", SECRET)
    text = request.get_data(as_text=True)
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
    hook: Webhook, statuses: list[int], waits: list[float], undelivered: list[str]
) -> None:
    hook.statuses = chain(statuses, hook.statuses)
    hook.store()

    assert hook.finish() == waits
    assert hook.undelivered() == undelivered
    assert hook.keys() == [KEY] * (len(waits) + 1)
    assert len({request.get_json()["id"] for request in hook.requests}) == 1


def test_missing_webhook_is_retried_for_24_hours(account: Account) -> None:
    hook = Webhook(account)
    with serving(hook, 0) as server:
        port = server.port
    hook.subscribe(port)
    hook.store()
    waits = hook.finish()

    assert (len(waits), round(sum(waits) / 3600)) == (185, 24)
    assert (hook.requests, hook.undelivered()) == ([], [KEY])
    assert hook.lines[0] == f"Webhook: {KEY} failed (no response). Retry in 2 s."
    assert "queue of undelivered messages" in hook.lines[-1]
