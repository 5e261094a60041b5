"""Messages about stored pictures on this machine: moto's EventBridge with the rule of template.yaml, and its webhook.

moto's S3 reports each object to moto's EventBridge. The rule sends pictures to a queue of moto. `deliver` posts them to
the webhook, as an API destination does: moto's own sends neither body nor header.
"""

import json
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from urllib.parse import urlsplit
from uuid import uuid4

import requests
import yaml

from local.account import BUCKET, Account
from local.terminal import CommandError

TEMPLATE = Path(__file__).parents[1] / "template.yaml"
RULE = "PictureStoredRule"
SECRET_HEADER = "X-Webhook-Secret"  # noqa: S105  # a name
TIMEOUT_SECONDS = 5
RETRIED = {401, 407, 409, 429, *range(500, 600)}
POLL_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 480.0
"""The cap of our waits, with which 185 retries take 24 hours. AWS publishes "exponential back off and jitter" alone."""


@dataclass(slots=True)
class _Message:
    """received_at, due: epoch seconds, of the message and of its next attempt. failures: attempts that failed."""

    body: str
    received_at: float
    due: float
    failures: int = 0


class Notifications:
    """The template's rule, queue and webhook in an account. Messages that are not delivered end in a second queue."""

    def __init__(
        self,
        account: Account,
        url: str,
        secret: str,
        report: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.time,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """url, secret: of the webhook. report: takes a line about each attempt. jitter: a number from 0 to 1."""
        self._url = url
        self._secret = secret
        self._report = report
        self._clock = clock
        self._jitter = jitter
        self._waiting: list[_Message] = []
        template = yaml.load(TEMPLATE.read_text("utf-8"), _TemplateLoader)  # noqa: S506  # a safe loader
        rule = template["Resources"][RULE]["Properties"]
        self._retry_policy = rule["Targets"][0]["RetryPolicy"]
        client = account.session().client
        self._sqs = client("sqs", endpoint_url=account.endpoint)
        self._messages = self._sqs.create_queue(QueueName="stored-pictures")["QueueUrl"]
        self._undelivered = self._sqs.create_queue(QueueName="undelivered")["QueueUrl"]
        queue = self._sqs.get_queue_attributes(QueueUrl=self._messages, AttributeNames=["QueueArn"])
        events = client("events", endpoint_url=account.endpoint)
        events.put_rule(Name=RULE, EventPattern=json.dumps(rule["EventPattern"]))
        events.put_targets(Rule=RULE, Targets=[{"Id": "webhook", "Arn": queue["Attributes"]["QueueArn"]}])
        client("s3", endpoint_url=account.endpoint).put_bucket_notification_configuration(
            Bucket=BUCKET, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )

    def deliver(self) -> float | None:
        """Post the messages that are due. Return the seconds until the next retry, or None if no message waits."""
        self._waiting += self._received()
        for message in [message for message in self._waiting if message.due <= self._clock()]:
            self._attempt(message)
        return min(message.due for message in self._waiting) - self._clock() if self._waiting else None

    def _received(self) -> Iterator[_Message]:
        while messages := self._sqs.receive_message(QueueUrl=self._messages, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                yield _Message(_documented(message["Body"]), self._clock(), self._clock())
                self._sqs.delete_message(QueueUrl=self._messages, ReceiptHandle=message["ReceiptHandle"])

    def _attempt(self, message: _Message) -> None:
        """Headers and statuses: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-api-destinations.html."""
        headers = {
            "User-Agent": "Amazon/EventBridge/ApiDestinations",
            "Content-Type": "application/json; charset=utf-8",
            SECRET_HEADER: self._secret,
        }
        key = json.loads(message.body)["detail"]["object"]["key"]
        try:
            response = requests.post(
                self._url, message.body.encode(), headers=headers, timeout=TIMEOUT_SECONDS, allow_redirects=False
            )
            result, least_wait = f"status {response.status_code}", _retry_after(response)
            is_delivered = response.status_code < requests.codes.multiple_choices
        except requests.RequestException as error:
            result, least_wait, is_delivered = type(error).__name__, 0.0, False
        wait = None if is_delivered else self._wait(message, least_wait)
        if wait is not None:
            message.failures += 1
            message.due = self._clock() + wait
            self._report(f"Webhook: {key} failed ({result}). Retry in {wait:.0f} s.")
            return
        self._waiting.remove(message)
        if is_delivered:
            self._report(f"Webhook: {key} delivered ({result}).")
            return
        self._sqs.send_message(QueueUrl=self._undelivered, MessageBody=message.body)
        self._report(f"Webhook: {key} not delivered ({result}). It is in the queue of undelivered messages.")

    def _wait(self, message: _Message, least: float | None) -> float | None:
        """Return the seconds until a retry, or None for no retry. least: the smallest value, or None."""
        age = self._clock() - message.received_at
        is_last = message.failures >= self._retry_policy["MaximumRetryAttempts"]
        if least is None or is_last or age >= self._retry_policy["MaximumEventAgeInSeconds"]:
            return None
        backoff = min(2.0 ** min(message.failures + 1, 10), LONGEST_WAIT_SECONDS) * (0.5 + self._jitter() / 2)
        return max(backoff, least)


@contextmanager
def webhook(environ: Mapping[str, str], account: Account, report: Callable[[str], None]) -> Iterator[None]:
    """Deliver messages to ``WEBHOOK_URL``, if it is set, with ``WEBHOOK_SECRET`` until the context ends.

    Raises CommandError for a wrong URL.
    """
    url = environ.get("WEBHOOK_URL", "")
    if not url:
        yield
        return
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise CommandError("WEBHOOK_URL must be a URL such as http://127.0.0.1:9000/pictures.")
    notifications = Notifications(account, url, environ.get("WEBHOOK_SECRET", ""), report)
    stopped = Event()

    def run() -> None:
        while not stopped.wait(POLL_SECONDS):
            notifications.deliver()

    thread = Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
        if notifications.deliver() is not None:
            report("Webhook: messages that wait for a retry end with this command.")


class _TemplateLoader(yaml.SafeLoader):
    """Reads the template. The only intrinsic function that it resolves is the reference to the bucket."""


_TemplateLoader.add_multi_constructor(
    "!", lambda _loader, name, node: BUCKET if (name, node.value) == ("Ref", "PictureBucket") else None
)


def _documented(body: str) -> str:
    """Return moto's event with the names and values that differ in AWS.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
    """
    event = json.loads(body)
    event["id"] = str(uuid4())  # moto's is always the same
    event["detail"]["object"]["etag"] = event["detail"]["object"].pop("eTag")
    event["detail"]["reason"] = "PutObject"
    return json.dumps(event)


def _retry_after(response: requests.Response) -> float | None:
    """Return the fewest seconds until a retry, or None if EventBridge does not retry such a response."""
    if response.status_code not in RETRIED:
        return None
    try:
        seconds = float(response.headers.get("Retry-After", "0"))
    except ValueError:
        return 0.0
    return seconds if seconds >= 0 else None
