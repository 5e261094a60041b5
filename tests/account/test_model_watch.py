"""The model-watch function logs the days left of each model, and never fails."""

import json
from contextlib import redirect_stdout
from io import StringIO
from types import SimpleNamespace
from typing import Any
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
NOWHERE = "https://nowhere.invalid/v1"


def shutdown(day: object) -> Responder:
    return respond(200, {"id": "a model", "shutdown_date": day})


def watch(
    base_url: str, credential: object = "shared/one", host: str | None = None
) -> tuple[Any, list[dict[str, Any]]]:
    """Return the result of an invocation on 2027-01-15, and its log with the metrics. host: in the secret."""
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
    return result, [json.loads(line) for line in stream.getvalue().splitlines()]


def line_of(log: list[dict[str, Any]], model: str | None) -> dict[str, Any]:
    [line] = [line for line in log if "_aws" not in line and line.get("model") == model]
    return line


def metric(log: list[dict[str, Any]], name: str) -> dict[str | None, float]:
    return {line.get("model"): line[name][0] for line in log if name in line}


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
    with ProviderServer(responder, shutdown(None)) as server:
        result, log = watch(server.base_url)
    line = line_of(log, FIRST)
    assert result == {FIRST: days, SECOND: None}
    assert (line["message"], line["level"], line["days_left"]) == (message, level, days)
    assert line_of(log, SECOND)["message"] == "model has no shutdown date"
    assert metric(log, "ModelDaysLeft") == {FIRST: days}
    assert metric(log, "ModelsNotChecked") == {}


@pytest.mark.parametrize(
    ("responder", "reason"),
    [
        (refuse(401, "insufficient_permissions"), "HTTP 401). A restricted key needs the permission to list models."),
        (refuse(403, "insufficient_permissions"), "HTTP 403). A restricted key needs the permission to list models."),
        (respond(503, b"overloaded"), "HTTP 503"),
        (respond(302, b"", Location="https://elsewhere.example/"), "HTTP 302"),
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
        result, log = watch(server.base_url)
    line = line_of(log, FIRST)
    assert result == {SECOND: 9}
    assert (line["message"], line["level"]) == ("model not checked", "WARNING")
    assert reason in line["reason"]
    assert metric(log, "ModelDaysLeft") == {SECOND: 9}
    assert metric(log, "ModelsNotChecked") == {None: 1}


def test_every_model_is_requested_with_the_key_and_host_of_the_client() -> None:
    with ProviderServer(shutdown(None)) as server:
        watch(NOWHERE, "cli_7/own", host=server.base_url)
    assert [request.path for request in server.requests] == ["/v1/models/org%2Fmodel", "/v1/models/gpt-image-2"]
    assert {request.headers["authorization"] for request in server.requests} == {f"Bearer {KEY}"}


@pytest.mark.parametrize("credential", ["shared/another", None, "cli_1"])
def test_missing_credential_is_logged(credential: object) -> None:
    result, log = watch(NOWHERE, credential)
    assert (result, metric(log, "ModelsNotChecked")) == ({}, {None: 1})
    assert "secret" in line_of(log, None)["reason"]
