"""A purchase sends one message about its picture to a webhook, with the rule and the retries of template.yaml."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from werkzeug import Request, Response

from local.account import BUCKET, Account
from local.loopback import serving
from local.notifications import SECRET_HEADER, Notifications, webhook
from local.terminal import CommandError
from tests.events import event_for
from tests.memory_s3 import Clock
from tests.module import Module

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

PROMPT = "Un faro al atardecer"
SECRET = "a long random text"
KEY = "temporal/cli_1/0f5c8a1e-3b1d-51ef-9a52-0a1b2c3d4e5f.png"
DAY_SECONDS = 86_400


def store(account: Account, key: str) -> None:
    s3 = account.session().client("s3", endpoint_url=account.endpoint)
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"\x89PNG")


class Receiver:
    """A webhook. responses: of the next requests; after them each is 204."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[Request] = []
        self.bodies: list[str] = []
        self.responses: list[Response] = []
        self.always: Response | None = None

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> "Iterable[bytes]":
        request = Request(environ)
        self.bodies.append(request.get_data(as_text=True))
        self.requests.append(request)
        response = self.always or (self.responses.pop(0) if self.responses else Response(status=204))
        return response(environ, start_response)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    with serving(receiver, 0) as server:
        receiver.url = f"http://127.0.0.1:{server.port}/pictures"
        yield receiver


class Delivery:
    """Notifications with a clock of their own, on which only the waits take time."""

    def __init__(self, account: Account, url: str) -> None:
        self.clock = Clock()
        self.waits: list[float] = []
        self.lines: list[str] = []
        self._account = account
        self.notifications = Notifications(
            account, url, SECRET, report=self.lines.append, clock=self.clock, jitter=lambda: 1.0
        )

    def store(self, key: str) -> None:
        store(self._account, key)

    def finish(self) -> None:
        """Deliver until no message waits."""
        while (wait := self.notifications.deliver()) is not None:
            self.waits.append(wait)
            self.clock.pass_by(wait)


@pytest.fixture
def delivery(account: Account, receiver: Receiver) -> Delivery:
    return Delivery(account, receiver.url)


def key_in(body: dict[str, Any]) -> str:
    key: str = body["detail"]["object"]["key"]
    return key


def test_purchase_sends_one_message_and_a_replay_none(module: Module, delivery: Delivery, receiver: Receiver) -> None:
    module.restart(MONTHLY_BUDGET_USD="10")
    event = event_for(PROMPT, idempotency_key="order-1")

    bought = module.invoke(event)
    delivery.finish()
    replayed = module.invoke(event)
    delivery.finish()

    stored = module.keys()
    assert {key.partition("/")[0] for key in stored} == {"budgets", "temporal"}
    assert len([key for key in stored if key.endswith(".json")]) == 2  # record and ledger
    assert replayed["_meta_"]["replayed"]
    [request] = receiver.requests
    assert key_in(request.get_json()) == bought["_meta_"]["key"]
    assert request.headers[SECRET_HEADER] == SECRET
    assert PROMPT not in receiver.bodies[0]
    assert "http" not in receiver.bodies[0]
    assert bought["data"]["urlPath"] not in receiver.bodies[0]


def test_message_is_the_documented_event(delivery: Delivery, receiver: Receiver) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html."""
    delivery.store(KEY)
    delivery.finish()

    [request] = receiver.requests
    body = request.get_json()
    assert (body["source"], body["detail-type"], body["resources"]) == (
        "aws.s3",
        "Object Created",
        [f"arn:aws:s3:::{BUCKET}"],
    )
    assert body["detail"]["bucket"] == {"name": BUCKET}
    assert body["detail"]["reason"] == "PutObject"
    assert body["detail"]["object"].keys() == {"key", "size", "etag", "version-id", "sequencer"}
    assert request.headers["Content-Type"] == "application/json; charset=utf-8"
    assert request.headers["User-Agent"] == "Amazon/EventBridge/ApiDestinations"


def test_message_arrives_after_three_failures(delivery: Delivery, receiver: Receiver) -> None:
    receiver.responses = [Response(status=status) for status in (500, 429, 401)]
    delivery.store(KEY)
    delivery.finish()

    assert [key_in(request.get_json()) for request in receiver.requests] == [KEY] * 4
    assert len({request.get_json()["id"] for request in receiver.requests}) == 1
    assert delivery.waits == [2, 4, 8]
    assert delivery.notifications.undelivered() == []


def test_failing_message_delays_no_other(delivery: Delivery, receiver: Receiver) -> None:
    receiver.responses = [Response(status=500)]
    delivery.store(KEY)
    delivery.notifications.deliver()
    delivery.store(KEY.replace("cli_1", "cli_2"))
    delivery.notifications.deliver()

    assert [key_in(request.get_json()) for request in receiver.requests] == [KEY, KEY.replace("cli_1", "cli_2")]


@pytest.mark.parametrize(("retry_after", "attempts"), [("0", 186), ("3600", 25)], ids=["185 retries", "24 hours"])
def test_message_is_kept_after_its_last_retry(
    delivery: Delivery, receiver: Receiver, retry_after: str, attempts: int
) -> None:
    receiver.always = Response(status=503, headers={"Retry-After": retry_after})
    start = delivery.clock()
    delivery.store(KEY)
    delivery.finish()

    assert [key_in(message) for message in delivery.notifications.undelivered()] == [KEY]
    assert len(receiver.requests) == attempts
    assert delivery.clock() - start <= DAY_SECONDS
    assert "queue of undelivered messages" in delivery.lines[-1]


@pytest.mark.parametrize("status", [301, 400, 403, 404])
def test_refused_message_is_kept_at_once(delivery: Delivery, receiver: Receiver, status: int) -> None:
    receiver.always = Response(status=status, headers={"Location": receiver.url})
    delivery.store(KEY)
    delivery.finish()

    assert len(receiver.requests) == 1
    assert [key_in(message) for message in delivery.notifications.undelivered()] == [KEY]


@pytest.mark.parametrize(("seconds", "waits", "undelivered"), [("90", [90], 0), ("soon", [2], 0), ("-1", [], 1)])
def test_retry_respects_retry_after(
    delivery: Delivery, receiver: Receiver, seconds: str, waits: list[float], undelivered: int
) -> None:
    receiver.responses = [Response(status=503, headers={"Retry-After": seconds})]
    delivery.store(KEY)
    delivery.finish()

    assert delivery.waits == waits
    assert len(delivery.notifications.undelivered()) == undelivered


def test_missing_webhook_is_retried(account: Account) -> None:
    with serving(Receiver(), 0) as server:
        closed = f"http://127.0.0.1:{server.port}/"
    delivery = Delivery(account, closed)
    delivery.store(KEY)

    assert delivery.notifications.deliver() == 2
    assert "ConnectionError" in delivery.lines[-1]


def test_serve_delivers_before_it_ends(account: Account, receiver: Receiver) -> None:
    lines: list[str] = []
    with webhook({"WEBHOOK_URL": receiver.url, "WEBHOOK_SECRET": SECRET}, account, lines.append):
        store(account, KEY)

    assert [request.headers[SECRET_HEADER] for request in receiver.requests] == [SECRET]
    assert lines == [f"Webhook: {KEY} delivered (status 204)."]


def test_serve_reports_nothing_without_a_webhook(account: Account) -> None:
    with webhook({}, account, lambda _: None):
        client = account.session().client("s3", endpoint_url=account.endpoint)
        assert "EventBridgeConfiguration" not in client.get_bucket_notification_configuration(Bucket=BUCKET)


@pytest.mark.parametrize("url", ["127.0.0.1:9000", "ftp://example.com", "http://"])
def test_wrong_url_is_a_sentence(account: Account, url: str) -> None:
    with pytest.raises(CommandError, match="WEBHOOK_URL must be a URL"), webhook({"WEBHOOK_URL": url}, account, print):
        pass
