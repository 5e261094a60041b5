"""The generate function in an account of its own, with the stand-in as its provider."""

import json
from collections.abc import Mapping
from contextlib import redirect_stdout
from io import StringIO
from typing import Any
from uuid import uuid4

import requests

from generate_image.aws.clients import Clients
from generate_image.event import PROMPT_FIELDS
from generate_image.functions import generate_image
from generate_image.functions._runtime import Environment, with_boundary
from generate_image.log import Log
from generate_image.settings import Settings
from local.account import BUCKET, Account
from local.lambda_context import LocalContext
from local.openai_stand_in import StandIn


class Module:
    """The function, its log and its bucket. settings: environment variables of the function."""

    def __init__(self, account: Account, stand_in: StandIn, **settings: str) -> None:
        self.account = account
        self.stand_in = stand_in
        self.environ = account.settings | {"OPENAI_BASE_URL": stand_in.base_url} | settings
        self.log = StringIO()
        self.prompts: set[str] = set()
        self.clients = Clients(account.aws_environ, session=account.session())
        self.s3 = self.clients.s3
        self._log = Log(f"generate-image-{uuid4()}", self.log)  # Powertools shares loggers of one name
        self.restart()

    def restart(self, **settings: str) -> None:
        """Start a new execution environment, with an empty memory."""
        self.environ |= settings
        environment = Environment(
            settings=Settings.from_mapping(self.environ),
            log=self._log,
            clients=self.clients,
            sleep=lambda _: None,
            margin=0,
        )
        serve = generate_image.build(environment, storing_seconds=1, shortest_purchase_seconds=0.1)
        self.function = with_boundary(serve, environment)

    def invoke(self, event: object, *, seconds: float = 60, request_id: str | None = None) -> dict[str, Any]:
        """Return the answer. seconds: the invocation's time. request_id: Lambda's."""
        context = LocalContext(seconds, request_id or str(uuid4()))
        if isinstance(event, dict):
            self._remember_prompts(event)
        with redirect_stdout(self.log):  # the metrics
            answer: dict[str, Any] = self.function(event, context)
        return answer

    def keys(self) -> list[str]:
        """Return the keys of all objects in the bucket."""
        return sorted(item["Key"] for item in self.s3.list_objects_v2(Bucket=BUCKET).get("Contents", []))

    def records(self) -> list[dict[str, Any]]:
        """Return every record as JSON."""
        bodies = [self.s3.get_object(Bucket=BUCKET, Key=key)["Body"] for key in self.keys() if key.endswith(".json")]
        return [json.loads(body.read()) for body in bodies]

    def log_lines(self) -> list[dict[str, Any]]:
        """Return the log, with the metrics."""
        return [json.loads(line) for line in self.log.getvalue().splitlines() if line]

    def metrics(self) -> list[dict[str, Any]]:
        """Return the emitted metrics."""
        return [line for line in self.log_lines() if "_aws" in line]

    def assert_nothing_leaked(self, elsewhere: str = "") -> None:
        """Check that no log, here or ``elsewhere``, contains a key or a prompt."""
        logged = self.log.getvalue() + elsewhere
        escaped = {json.dumps(prompt)[1:-1] for prompt in self.prompts}
        assert not [text for text in (self.stand_in.api_key, *self.prompts, *escaped) if text in logged]

    def _remember_prompts(self, event: Mapping[str, Any]) -> None:
        for place, name in PROMPT_FIELDS:
            values = event.get(place)
            value = values.get(name) if isinstance(values, dict) else None
            if isinstance(value, str) and value.strip():
                self.prompts.add(value.strip())


def fetch(url: str) -> bytes:
    """Return the content behind a link."""
    response = requests.get(url, timeout=30)
    response.raise_for_status()
    return response.content
