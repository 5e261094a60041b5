"""The model-watch function with secrets in memory and a log that is kept."""

import json
from contextlib import redirect_stdout
from io import StringIO
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

from generate_image.functions import model_watch
from generate_image.functions._runtime import Environment, with_boundary
from generate_image.log import Log
from generate_image.settings import Settings
from local.lambda_context import LocalContext
from tests.memory_s3 import Clock
from tests.secrets_manager import MemorySecretsManager

FIRST, SECOND = "gpt-image-2.6-flare", "gpt-image-2"
KEY = "sk-watch"
SHARED = {"credential": "shared/one"}


class Watch:
    """One execution environment. Its day is 2027-01-15."""

    def __init__(self, base_url: str, *models: str, base_url_in_secret: str | None = None) -> None:
        self._stream = StringIO()
        settings = Settings(
            image_bucket="pictures",
            image_namespace=UUID(int=0),
            credentials_prefix="keys",
            image_models=models or (FIRST, SECOND),
            openai_base_url=base_url,
            allows_local_hosts=True,
        )
        secret = json.dumps({"apiKey": KEY, "baseUrl": base_url_in_secret})
        secrets = MemorySecretsManager({"keys/shared/one": secret, "keys/cli_7/own": secret})
        clients: Any = SimpleNamespace(secrets_manager=secrets)
        log = Log(f"model-watch-{uuid4()}", self._stream)  # Powertools keeps one logger for each name
        environment = Environment(settings=settings, log=log, clients=clients, clock=Clock())
        self._invoke = with_boundary(model_watch.build(environment), environment, model_watch.respond)

    def run(self, event: object = SHARED) -> Any:  # noqa: ANN401
        """Return the result of one invocation."""
        with redirect_stdout(self._stream):  # metrics go to standard output
            result = self._invoke(event, LocalContext())
        assert KEY not in self._stream.getvalue()
        return result

    def line(self, model: str | None) -> dict[str, Any]:
        """Return the only log line about a model."""
        [line] = [line for line in self.lines() if "_aws" not in line and line.get("model") == model]
        return line

    def days_left(self) -> dict[str, float]:
        """Return the metric by model."""
        return {line["model"]: line["ModelDaysLeft"][0] for line in self.lines() if "ModelDaysLeft" in line}

    def not_checked(self) -> int:
        """Return the sum of the metric."""
        return sum(line["ModelsNotChecked"][0] for line in self.lines() if "ModelsNotChecked" in line)

    def lines(self) -> list[dict[str, Any]]:
        """Return the log and the metrics."""
        return [json.loads(line) for line in self._stream.getvalue().splitlines()]
