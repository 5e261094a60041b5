"""The model-watch function logs the days left of each model, and never fails."""

import json
from contextlib import redirect_stdout
from io import StringIO
from types import SimpleNamespace
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import pytest

from generate_image.functions import model_watch
from generate_image.functions._runtime import Environment, with_boundary
from generate_image.log import Log
from generate_image.settings import Settings
from local.lambda_context import LocalContext
from tests.memory_s3 import Clock
from tests.provider_server import ProviderServer, Responder, refuse, respond, write
from tests.secrets_manager import MemorySecretsManager

FIRST, SECOND = "org/model", "gpt-image-2"
KEY = "sk-watch"
METRICS = ("ModelDaysLeft", "ModelsNotChecked")
NOWHERE = "https://nowhere.invalid/v1"


def shutdown(day: object) -> Responder:
    return respond(200, {"id": "a model", "shutdown_date": day})


class Watched(NamedTuple):
    """The result of an invocation on 2027-01-15, its log lines by model, and its metrics by name and model."""

    result: Any
    log: dict[str | None, dict[str, Any]]
    metrics: dict[tuple[str, str | None], float]


def watch(base_url: str, credential: str = "shared/one", host: str | None = None) -> Watched:
    """Invoke the function. host: in the secret."""
    stream = StringIO()
    settings = Settings(
        image_bucket="pictures",
        image_namespace=UUID(int=0),
        credentials_prefix="keys",
        image_models=(FIRST, SECOND),
        openai_base_url=base_url,
        allows_local_hosts=True,
    )
    secret = json.dumps({"apiKey": KEY, "baseUrl": host})
    secrets = MemorySecretsManager({"keys/shared/one": secret, "keys/cli_7/own": secret})
    clients: Any = SimpleNamespace(secrets_manager=secrets)
    log = Log(f"model-watch-{uuid4()}", stream)  # Powertools keeps one logger for each name
    environment = Environment(settings=settings, log=log, clients=clients, clock=Clock())
    invoke = with_boundary(model_watch.build(environment), environment, model_watch.respond)
    with redirect_stdout(stream):  # metrics go to standard output
        result = invoke({"credential": credential}, LocalContext())
    assert KEY not in stream.getvalue()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    return Watched(
        result,
        {line.get("model"): line for line in lines if "_aws" not in line},
        {(name, line.get("model")): line[name][0] for line in lines for name in METRICS if name in line},
    )


@pytest.mark.parametrize(
    ("responder", "days", "message", "level"),
    [
        (shutdown("2027-01-16"), 1, "model has a shutdown date", "WARNING"),
        (shutdown("2027-02-13"), 29, "model has a shutdown date", "WARNING"),
        (shutdown("2027-02-14"), 30, "model has a shutdown date", "INFO"),
        (shutdown("2027-01-12"), -3, "model has a shutdown date", "WARNING"),
        (refuse(404, "model_not_found"), 0, "model is gone", "ERROR"),
    ],
)
def test_days_until_the_shutdown_are_counted(responder: Responder, days: int, message: str, level: str) -> None:
    """The requests have the key and go to the host of the client's secret."""
    with ProviderServer(responder, shutdown(None)) as server:
        result, log, metrics = watch(NOWHERE, "cli_7/own", host=server.base_url)
    assert [request.path for request in server.requests] == ["/v1/models/org%2Fmodel", "/v1/models/gpt-image-2"]
    assert {request.headers["authorization"] for request in server.requests} == {f"Bearer {KEY}"}
    assert result == {FIRST: days, SECOND: None}
    assert [log[FIRST][name] for name in ("message", "level", "days_left")] == [message, level, days]
    assert log[SECOND]["message"] == "model has no shutdown date"
    assert metrics == {("ModelDaysLeft", FIRST): days}


@pytest.mark.parametrize(
    ("responder", "reason"),
    [
        (refuse(401, "insufficient_permissions"), "HTTP 401). A restricted key needs the permission to list models."),
        (refuse(403, "insufficient_permissions"), "HTTP 403). A restricted key"),
        (respond(503, b"overloaded"), "HTTP 503"),
        (respond(404, {"error": {"message": "Invalid URL (GET /v1/models/x)", "code": None}}), "HTTP 404"),
        (respond(200, b"[" * 100_000), "no shutdown_date"),
        (respond(200, []), "no shutdown_date"),
        (respond(200, {"id": FIRST}), "no shutdown_date"),
        (shutdown("soon"), "no shutdown_date"),
        (write(b""), "did not respond"),
    ],
)
def test_unusable_response_is_not_a_shutdown(responder: Responder, reason: str) -> None:
    with ProviderServer(responder, shutdown("2027-01-24")) as server:
        result, log, metrics = watch(server.base_url)
    assert result == {SECOND: 9}
    assert [log[FIRST][name] for name in ("message", "level")] == ["model not checked", "WARNING"]
    assert reason in log[FIRST]["reason"]
    assert metrics == {("ModelDaysLeft", SECOND): 9, ("ModelsNotChecked", None): 1}


@pytest.mark.parametrize("credential", ["shared/another", "cli_1"])
def test_missing_credential_is_logged(credential: str) -> None:
    result, log, metrics = watch(NOWHERE, credential)
    assert (result, metrics) == ({}, {("ModelsNotChecked", None): 1})
    assert "secret" in log[None]["reason"]
