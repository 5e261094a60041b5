"""The module in an account of its own, with the stand-in as its provider: what most tests drive."""

import json
from collections.abc import Mapping
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import requests

from generate_image.handler import AWS_CONFIG, Handler, told
from generate_image.settings import Settings
from generate_image.telemetry import Telemetry
from local.account import BUCKET, CREDENTIALS_ID, Account
from local.lambda_context import LocalContext
from local.openai_stand_in import StandIn

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

EVENTS = Path(__file__).parents[1] / "events"
PROMPTS = (("data", "prompt_image"), ("data", "prompt"), ("config", "prompt"))


def read_event(name: str) -> dict[str, Any]:
    """Return ``events/<name>.json``."""
    event: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text("utf-8"))
    return event


def event_for(prompt: str, **fields: object) -> dict[str, Any]:
    """Return a plain event with this prompt."""
    return {"client_id": 1, "config": {"credentials_id": CREDENTIALS_ID, "prompt": prompt}, **fields}


class Module:
    """A handler whose log is kept, and what it leaves behind.

    settings: environment variables besides those that lead to the account and the stand-in.
    """

    def __init__(self, account: Account, stand_in: StandIn, **settings: str) -> None:
        self.account = account
        self.stand_in = stand_in
        self.environ = account.settings | {"OPENAI_BASE_URL": stand_in.base_url} | settings
        self.log = StringIO()
        self.prompts: set[str] = set()
        session = account.session()
        self.s3: S3Client = session.client("s3", endpoint_url=account.endpoint, config=AWS_CONFIG)
        self._secrets = session.client("secretsmanager", endpoint_url=account.endpoint, config=AWS_CONFIG)
        self.telemetry = Telemetry(self.log, service=f"generate-image-{uuid4()}")  # loggers of one name share a stream
        self.restart()

    def restart(self, **settings: str) -> None:
        """Begin a new environment: what the old one remembered is gone."""
        self.environ |= settings
        self.handler = Handler(
            Settings.from_mapping(self.environ),
            self.s3,
            self._secrets,
            self.telemetry,
            sleep=lambda _: None,
            storing_seconds=1,
            shortest_purchase_seconds=0.1,
        )

    def invoke(
        self,
        event: object,
        *,
        seconds: float = 60,
        request_id: str | None = None,
        answer_bytes: int | None = None,
    ) -> dict[str, Any]:
        """Return the handler's answer. seconds: the invocation's time. request_id: Lambda's."""
        context = LocalContext(seconds, request_id or str(uuid4()), answer_bytes)
        if isinstance(event, dict):
            self._remember_prompts(event)
        with redirect_stdout(self.log):  # where the metrics go
            return told(self.telemetry, context, lambda: self.handler.serve(event, context))

    def keys(self) -> list[str]:
        """Return the keys of everything in the bucket."""
        return sorted(item["Key"] for item in self.s3.list_objects_v2(Bucket=BUCKET).get("Contents", []))

    def record(self, client_id: str, image_id: str) -> dict[str, Any]:
        """Return a record as it lies in S3."""
        body = self.s3.get_object(Bucket=BUCKET, Key=f"temporal/cli_{client_id}/{image_id}.json")["Body"]
        record: dict[str, Any] = json.loads(body.read())
        return record

    def records(self) -> list[dict[str, Any]]:
        """Return every record."""
        bodies = [self.s3.get_object(Bucket=BUCKET, Key=key)["Body"] for key in self.keys() if key.endswith(".json")]
        return [json.loads(body.read()) for body in bodies]

    def log_lines(self) -> list[dict[str, Any]]:
        """Return what was logged, metrics included."""
        return [json.loads(line) for line in self.log.getvalue().splitlines() if line]

    def metrics(self) -> list[dict[str, Any]]:
        """Return the metrics that were emitted."""
        return [line for line in self.log_lines() if "_aws" in line]

    def assert_nothing_leaked(self, elsewhere: str = "") -> None:
        """See that nothing that was logged, here or ``elsewhere``, holds a key or a prompt."""
        logged = self.log.getvalue() + elsewhere
        for key in {self.stand_in.api_key, *self._keys()}:
            assert key not in logged
        for prompt in self.prompts:
            assert prompt not in logged
            assert json.dumps(prompt)[1:-1] not in logged

    def _keys(self) -> set[str]:
        """Return the keys in the account's secrets."""
        names = [secret["Name"] for secret in self._secrets.list_secrets()["SecretList"]]
        texts = [self._secrets.get_secret_value(SecretId=name).get("SecretString", "") for name in names]
        secrets = [json.loads(text) for text in texts if text.startswith("{") and text.endswith("}")]
        return {secret["apiKey"] for secret in secrets if isinstance(secret.get("apiKey"), str) and secret["apiKey"]}

    def _remember_prompts(self, event: Mapping[str, Any]) -> None:
        for place, name in PROMPTS:
            values = event.get(place)
            value = values.get(name) if isinstance(values, dict) else None
            if isinstance(value, str) and value.strip():
                self.prompts.add(value.strip())


def fetch(url: str) -> bytes:
    """Return what a link gives."""
    response = requests.get(url, timeout=30)
    response.raise_for_status()
    return response.content
