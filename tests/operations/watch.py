"""The watch over the models in an account of its own, with the stand-in as its provider."""

import json
import time
from contextlib import redirect_stdout
from io import StringIO
from typing import Any
from uuid import uuid4

from generate_image.deadline import Deadline
from generate_image.retirement import ModelWatch, watched
from generate_image.settings import Settings
from generate_image.telemetry import Telemetry
from local.account import CREDENTIALS_ID, Account
from local.lambda_context import LocalContext
from local.openai_stand_in import StandIn

EVENT = {"credential": f"shared/{CREDENTIALS_ID}"}


class Watch:
    """A watch whose log is kept. models: comma-separated."""

    def __init__(self, account: Account, stand_in: StandIn, models: str, **settings: str) -> None:
        environ = account.settings | {"OPENAI_BASE_URL": stand_in.base_url, "IMAGE_MODELS": models} | settings
        self.settings = Settings.from_mapping(environ)
        self._secrets = account.session().client("secretsmanager", endpoint_url=account.endpoint)
        self.log = StringIO()
        self._telemetry = Telemetry(self.log, service=f"generate-image-{uuid4()}")

    def look(self, event: object = EVENT, *, seconds: float = 60) -> dict[str, int | None]:
        """Return what one invocation answers. seconds: its time."""
        watch = ModelWatch(self.settings, self._secrets, self._telemetry, clock=time.time)
        deadline = Deadline(time.time() + seconds, time.time)
        with redirect_stdout(self.log):  # where the metrics go
            return watched(self._telemetry, LocalContext(seconds), lambda: watch.look(event, deadline))

    def log_lines(self) -> list[dict[str, Any]]:
        """Return what was logged, without the metrics."""
        return [line for line in self._lines() if "_aws" not in line]

    def metrics(self) -> list[dict[str, Any]]:
        """Return the metrics that were emitted."""
        return [line for line in self._lines() if "_aws" in line]

    def _lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.getvalue().splitlines()]
