"""The events of ``events/`` through the handler: the answer, the errors, the log."""

import json
from pathlib import Path
from time import time
from typing import Any

import pytest
import requests

from generate_image import handler as handler_module
from generate_image.credentials import Credentials
from generate_image.errors import BY_CODE, ConfigurationError, GenerateImageError, ProviderAuthError
from generate_image.handler import told
from generate_image.provider_connection import Authorization
from local.account import BUCKET
from local.lambda_context import LocalContext
from local.openai_stand_in import StandIn
from local.openai_stand_in.fault import Route
from local.openai_stand_in.faults import CATALOGUE
from tests.module import EVENTS, Module, event_for, fetch, read_event

GOOD = sorted(
    path.stem for path in EVENTS.glob("*.json") if path.stem in {"direct", "persistent", "minimal", "with-key"}
)
BAD = {
    "bad/client-path": "InvalidRequestError",
    "bad/credentials-path": "InvalidRequestError",
    "bad/credentials-unknown": "CredentialsError",
    "bad/no-prompt": "InvalidRequestError",
    "bad/not-an-object": "InvalidRequestError",
    "bad/several-faults": "InvalidRequestError",
}
LINKS = {"imageUrl", "urlPath", "localPath"}
META = {
    "prompt", "tokens_consumed", "image_id", "model", "bucket", "key", "content_type", "url_expires_at", "usage",
    "cost_usd", "openai_request_id", "replayed",
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_a_good_event_gets_the_answer_of_the_contract(module: Module, name: str) -> None:
    event = read_event(name)
    answer = module.invoke(event)
    persistent = name == "persistent"
    assert set(answer) == ({"nextModule"} if "nextModule" in event else set()) | {"data", "_meta_"}
    assert answer.get("nextModule") == event.get("nextModule")
    assert set(answer["data"]) == LINKS | (set(event["data"]) if persistent else set())
    if persistent:
        assert {name: value for name, value in answer["data"].items() if name not in LINKS} == event["data"]
    meta = answer["_meta_"]
    assert set(meta) == META
    assert meta["tokens_consumed"] == 0.4
    assert meta["prompt"] in module.prompts
    assert meta["key"] == f"temporal/cli_{event['client_id']}/{meta['image_id']}.png"
    assert answer["data"]["imageUrl"] == answer["data"]["urlPath"]
    assert answer["data"]["localPath"] == f"s3://{BUCKET}/{meta['key']}"
    assert fetch(answer["data"]["urlPath"]).startswith(b"\x89PNG")


@pytest.mark.parametrize("name", sorted(BAD))
def test_a_bad_event_gets_its_error_and_costs_nothing(module: Module, stand_in: StandIn, name: str) -> None:
    with pytest.raises(BY_CODE[BAD[name]]):
        module.invoke(read_event(name))
    assert stand_in.ledger()["requests"] == 0
    assert module.keys() == []


def test_every_event_is_tried() -> None:
    assert {f"bad/{path.stem}" for path in (EVENTS / "bad").glob("*.json")} == set(BAD)


def test_what_lies_beside_the_picture_tells_no_prompt(module: Module) -> None:
    answer = module.invoke(read_event("persistent"))
    head = module.s3.head_object(Bucket=BUCKET, Key=answer["_meta_"]["key"])
    assert head["ContentType"] == "image/png"
    told_there = json.dumps(head["Metadata"])
    for prompt in module.prompts:
        assert prompt not in told_there
    assert "sk-" not in told_there


def test_a_rotated_key_costs_nobody_a_failure(module: Module, stand_in: StandIn) -> None:
    module.invoke(event_for("a lighthouse"))
    stand_in.accept_keys({"sk-rotated"})
    module.account.session().client("secretsmanager", endpoint_url=module.account.endpoint).put_secret_value(
        SecretId="generate-image/shared/credencial-openai", SecretString=json.dumps({"apiKey": "sk-rotated"})
    )
    module.invoke(event_for("a harbour"))
    statuses = [entry["status"] for entry in stand_in.ledger()["recent"]]
    assert statuses == [200, 401, 200]
    assert stand_in.ledger()["billed"] == 2


def test_a_wrong_key_is_asked_with_once(module: Module, stand_in: StandIn) -> None:
    stand_in.accept_keys({"sk-another"})
    with pytest.raises(ProviderAuthError, match="HTTP 401"):
        module.invoke(event_for("a lighthouse"))
    assert stand_in.ledger()["requests"] == 1, "the key that was read again is the same"


def test_organization_and_project_are_sent() -> None:
    credentials = Credentials(api_key="sk-1", organization="org-1", project="proj-1")
    sent = requests.Request("POST", "https://api.openai.com/v1", auth=Authorization(credentials)).prepare().headers
    assert sent["Authorization"] == "Bearer sk-1"
    assert (sent["OpenAI-Organization"], sent["OpenAI-Project"]) == ("org-1", "proj-1")


def test_the_log_tells_everything_but_keys_and_prompts(module: Module, stand_in: StandIn) -> None:
    """The ``module`` fixture searches each test's log; here every event and every fault has its turn."""
    for name in [*GOOD, *BAD]:
        _try(module, read_event(name))
    stand_in.dall_e_3 = True
    for models in ("gpt-image-2", "dall-e-3"):
        module.restart(IMAGE_MODELS=models)
        for name, fault in CATALOGUE.items():
            if fault.route is Route.GENERATIONS:
                stand_in.script(name, delay=0, pause=0.001)
                _try(module, event_for(f"a lighthouse seen by {name}"))
                stand_in.reset()
                stand_in.dall_e_3 = True
    lines = module.log_lines()
    assert len(lines) > 2 * len(CATALOGUE)
    bought = next(line for line in lines if line.get("message") == "picture bought")
    assert {"client_id", "image_id", "model", "openai_request_id", "function_request_id"} <= set(bought)
    assert any(line.get("message") == "request failed" and "openai_request_id" in line for line in lines)
    module.assert_nothing_leaked()


def test_failures_and_replays_are_logged_with_the_provider_s_request_id(module: Module, stand_in: StandIn) -> None:
    event = event_for("a lighthouse", idempotency_key="k")
    stand_in.script("insufficient_quota")
    _try(module, event)
    bought, replayed = module.invoke(event), module.invoke(event)
    failed, *_, told = [
        line for line in module.log_lines() if line.get("message", "").startswith(("request", "picture"))
    ]
    assert (failed["message"], told["message"]) == ("request failed", "picture replayed")
    assert failed["openai_request_id"] != bought["_meta_"]["openai_request_id"]
    assert told["openai_request_id"] == replayed["_meta_"]["openai_request_id"]
    assert told["model"] == replayed["_meta_"]["model"]


def _try(module: Module, event: object) -> None:
    told_to_caller = ""
    try:
        module.invoke(event, seconds=8)
    except GenerateImageError as error:
        told_to_caller = f"{error} {error.errors}"
    for prompt in module.prompts:
        assert prompt not in told_to_caller
    assert module.stand_in.api_key not in told_to_caller


def test_the_metrics_tell_what_was_bought_and_what_failed(module: Module, stand_in: StandIn) -> None:
    module.invoke(event_for("a lighthouse", idempotency_key="k"))
    module.invoke(event_for("a lighthouse", idempotency_key="k"))
    stand_in.script("moderation_blocked")
    _try(module, event_for("a harbour"))
    bought, replayed, failed = module.metrics()
    assert bought["PicturesBought"] == [1.0]
    assert bought["model"] == "gpt-image-2.6-flare"
    assert bought["OutputTokens"] == [439.0]
    assert bought["CostUsd"][0] > 0.013
    assert bought["ProviderLatency"][0] >= 0
    assert replayed["PicturesReplayed"] == [1.0]
    assert failed["Failures"] == [1.0]
    assert failed["error"] == "ContentRejectedError"


def test_nothing_foreign_leaves_the_handler(module: Module) -> None:
    def broken() -> dict[str, Any]:
        raise KeyError("a secret prompt")

    with pytest.raises(ConfigurationError, match="KeyError") as caught:
        told(module.telemetry, LocalContext(), broken)
    assert "secret" not in str(caught.value)
    assert "a secret prompt" not in module.log.getvalue()
    assert "broken" in module.log.getvalue(), "where it happened is logged"


def test_wrong_settings_are_told_by_the_entry_point(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("IMAGE_BUCKET", "IMAGE_NAMESPACE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigurationError, match="IMAGE_BUCKET must be"):
        handler_module.handler({}, LocalContext())
    assert "ConfigurationError" in capsys.readouterr().out


def test_importing_the_handler_reads_nothing() -> None:
    source = Path(handler_module.__file__).read_text("utf-8")
    module_level = [line for line in source.splitlines() if line and not line.startswith((" ", "def ", "class ", "@"))]
    assert not any("environ" in line for line in module_level)


def test_an_answer_that_the_caller_cannot_take_is_not_bought(module: Module, stand_in: StandIn) -> None:
    event = event_for("a lighthouse", data={"prompt_image": "a harbour", "blob": "x" * 250_000})
    with pytest.raises(BY_CODE["InvalidRequestError"], match="262144 bytes"):
        module.invoke(event, answer_bytes=262_144)
    assert stand_in.ledger()["requests"] == 0
    assert len(module.invoke(event)["data"]["blob"]) == 250_000


def test_the_function_raises_its_own_error_before_lambda_ends_it(module: Module, stand_in: StandIn) -> None:
    stand_in.script("delay", delay=30)
    began = time()
    with pytest.raises(BY_CODE["OutcomeUnknownError"]):
        module.invoke(event_for("a lighthouse"), seconds=7)
    assert time() - began < 7
    assert module.records()[0]["status"] == "failed"


@pytest.mark.parametrize("fault", ["body_drips", "headers_drip"])
def test_an_answer_that_drips_ends_with_the_deadline(module: Module, stand_in: StandIn, fault: str) -> None:
    stand_in.script(fault, pause=0.9)
    with pytest.raises(BY_CODE["OutcomeUnknownError"]):
        module.invoke(event_for("a lighthouse"), seconds=5)
    assert stand_in.ledger()["requests"] == 1


def test_too_little_time_buys_nothing(module: Module, stand_in: StandIn) -> None:
    event = event_for("a lighthouse", idempotency_key="k")
    with pytest.raises(BY_CODE["ProviderUnavailableError"], match="Too little"):
        module.invoke(event, seconds=3.05)
    assert stand_in.ledger()["requests"] == 0
    assert not module.invoke(event)["_meta_"]["replayed"]
