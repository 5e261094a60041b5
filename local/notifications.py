"""Messages about stored pictures on this machine: moto's EventBridge with the rule of template.yaml, and its webhook.

moto's S3 reports each object to moto's EventBridge. The rule sends pictures to a queue of moto. `deliver` posts them to
the webhook, as an API destination does: moto's own sends neither body nor header.
"""

import json
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
"""The cap of our waits, with which 185 retries take 24 hours. AWS publishes "exponential back off and jitter" alone.

Here is no jitter, and no ``Retry-After``.
"""


@dataclass(slots=True)
class _Message:
    """due: epoch seconds of its next attempt. failures: attempts that failed."""

    body: str
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
    ) -> None:
        """url, secret: of the webhook. report: takes a line about each attempt."""
        self._url = url
        self._secret = secret
        self._report = report
        self._clock = clock
        self._waiting: list[_Message] = []
        template = yaml.load(TEMPLATE.read_text("utf-8"), _TemplateLoader)  # noqa: S506  # a safe loader
        rule = template["Resources"][RULE]["Properties"]
        self._most_retries = rule["Targets"][0]["RetryPolicy"]["MaximumRetryAttempts"]
        client = account.session().client
        self._sqs = client("sqs", endpoint_url=account.endpoint)
        self._messages = self._sqs.create_queue(QueueName="stored-pictures")["QueueUrl"]
        self._undelivered = self._sqs.create_queue(QueueName="undelivered")["QueueUrl"]
        queue = self._sqs.get_queue_attributes(QueueUrl=self._messages, AttributeNames=["QueueArn"])
        events = client("events", endpoint_url=account.endpoint)
        events.put_rule(Name=RULE, EventPattern=json.dumps(rule["EventPattern"]))
        events.put_targets(Rule=RULE, Targets=[{"Id": "webhook", "Arn": queue["Attributes"]["QueueArn"]}])
        account.s3().put_bucket_notification_configuration(
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
                yield _Message(_documented(message["Body"]), self._clock())
                self._sqs.delete_message(QueueUrl=self._messages, ReceiptHandle=message["ReceiptHandle"])

    def _attempt(self, message: _Message) -> None:
        key = json.loads(message.body)["detail"]["object"]["key"]
        status = self._post(message.body)
        result = f"status {status}" if status else "no response"
        if (status is None or status in RETRIED) and message.failures < self._most_retries:
            message.failures += 1
            wait = min(2.0**message.failures, LONGEST_WAIT_SECONDS)
            message.due = self._clock() + wait
            self._report(f"Webhook: {key} failed ({result}). Retry in {wait:.0f} s.")
            return
        self._waiting.remove(message)
        if status is not None and status < requests.codes.multiple_choices:
            self._report(f"Webhook: {key} delivered ({result}).")
            return
        self._sqs.send_message(QueueUrl=self._undelivered, MessageBody=message.body)
        self._report(f"Webhook: {key} not delivered ({result}). It is in the queue of undelivered messages.")

    def _post(self, body: str) -> int | None:
        """Return the status of the webhook's response, or None without one.

        Headers and statuses: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-api-destinations.html.
        """
        headers = {
            "User-Agent": "Amazon/EventBridge/ApiDestinations",
            "Content-Type": "application/json; charset=utf-8",
            SECRET_HEADER: self._secret,
        }
        try:
            return requests.post(
                self._url, body.encode(), headers=headers, timeout=TIMEOUT_SECONDS, allow_redirects=False
            ).status_code
        except requests.RequestException:
            return None


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
