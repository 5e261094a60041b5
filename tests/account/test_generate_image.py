"""The events of ``events/`` through the generate function: the answer, the errors, the log and the metrics."""

import json
import re
from typing import Any

import pytest

from generate_image.errors import (
    ERRORS_BY_CODE,
    GenerateImageError,
    ProviderUnavailableError,
)
from generate_image.event import MAX_DEPTH
from local.account import BUCKET
from local.openai_stand_in import CATALOGUE, StandIn
from tests.events import EVENTS, event_for, read_event
from tests.module import Module, fetch

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
    "prompt", "tokens_consumed", "image_id", "model", "bucket", "key", "content_type", "content_credentials",
    "url_expires_at", "usage", "cost_usd", "openai_request_id", "replayed",
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_good_event_returns_the_answer_of_the_contract(module: Module, name: str) -> None:
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
def test_bad_event_raises_its_error_and_buys_nothing(module: Module, stand_in: StandIn, name: str) -> None:
    with pytest.raises(ERRORS_BY_CODE[BAD[name]]):
        module.invoke(read_event(name))
    assert stand_in.ledger()["requests"] == 0
    assert module.keys() == []


def test_every_event_file_is_tested() -> None:
    assert {f"bad/{path.stem}" for path in (EVENTS / "bad").glob("*.json")} == set(BAD)


def test_metadata_contains_no_prompt_and_no_key(module: Module) -> None:
    answer = module.invoke(read_event("persistent"))
    head = module.s3.head_object(Bucket=BUCKET, Key=answer["_meta_"]["key"])
    assert head["ContentType"] == "image/png"
    metadata = json.dumps(head["Metadata"])
    for prompt in module.prompts:
        assert prompt not in metadata
    assert "sk-" not in metadata


@pytest.mark.slow
def test_no_fault_leaks_a_key_or_a_prompt(module: Module, stand_in: StandIn) -> None:
    """The ``module`` fixture searches the log of each test. Here every event and every fault has its turn."""
    for name in [*GOOD, *BAD]:
        attempt(module, read_event(name))
    for models in ("gpt-image-2", "dall-e-3"):
        module.restart(IMAGE_MODELS=models)
        for name in CATALOGUE:
            stand_in.reset()
            stand_in.dall_e_3 = True
            stand_in.script(name, delay=0)
            attempt(module, event_for(f"a lighthouse seen by {name}"))
    assert len(module.log_lines()) > 2 * len(CATALOGUE)


def test_purchase_is_logged_with_its_identifiers(module: Module) -> None:
    module.invoke(event_for("a lighthouse"))
    bought = next(line for line in module.log_lines() if line.get("message") == "picture bought")
    assert {"client_id", "image_id", "model", "openai_request_id", "function_request_id"} <= set(bought)


def test_failure_and_replay_log_the_provider_request_id(module: Module, stand_in: StandIn) -> None:
    event = event_for("a lighthouse", idempotency_key="k")
    stand_in.script("insufficient_quota")
    attempt(module, event)
    bought, replayed = module.invoke(event), module.invoke(event)
    lines = [line for line in module.log_lines() if line.get("message", "").startswith(("request", "picture"))]
    assert (lines[0]["message"], lines[-1]["message"]) == ("request failed", "picture replayed")
    assert lines[0]["openai_request_id"] != bought["_meta_"]["openai_request_id"]
    assert lines[-1]["openai_request_id"] == replayed["_meta_"]["openai_request_id"]
    assert lines[-1]["model"] == replayed["_meta_"]["model"]


def attempt(module: Module, event: object) -> None:
    """Invoke the function. An error repeats neither the prompt nor the key."""
    message = ""
    try:
        module.invoke(event, seconds=8)
    except GenerateImageError as error:
        message = f"{error} {error.errors}"
    for prompt in module.prompts:
        assert prompt not in message
    assert module.stand_in.api_key not in message


def test_purchases_replays_and_failures_are_counted(module: Module, stand_in: StandIn) -> None:
    module.invoke(event_for("a lighthouse", idempotency_key="k"))
    module.invoke(event_for("a lighthouse", idempotency_key="k"))
    stand_in.script("moderation_blocked")
    attempt(module, event_for("a harbour"))
    bought, stored, replayed, failed = module.metrics()
    assert bought["PicturesBought"] == [1.0]
    assert bought["model"] == "gpt-image-2.6-flare"
    assert bought["OutputTokens"] == [439.0]
    assert bought["CostUsd"][0] > 0.013
    assert bought["ProviderLatency"][0] >= 0
    assert (stored["ContentCredentials"], stored["model"]) == ([0.0], "gpt-image-2.6-flare")
    assert replayed["PicturesReplayed"] == [1.0]
    assert failed["Failures"] == [1.0]
    assert failed["error"] == "ContentRejectedError"


def test_nested_data_is_returned_by_every_replay(module: Module) -> None:
    value: list[Any] = []
    for _ in range(MAX_DEPTH - 3):
        value = [value]
    event = event_for("", data={"prompt_image": "a harbour", "nested": value}, idempotency_key="k")
    assert [module.invoke(event)["data"]["nested"] for _ in range(2)] == [value, value]


def test_too_little_time_buys_nothing(module: Module, stand_in: StandIn) -> None:
    event = event_for("a lighthouse", idempotency_key="k")
    with pytest.raises(ProviderUnavailableError, match="too little time"):
        module.invoke(event, seconds=1.05)
    assert stand_in.ledger()["requests"] == 0
    assert not module.invoke(event)["_meta_"]["replayed"]


def test_readme_shows_every_field_of_an_answer(module: Module) -> None:
    answer = module.invoke(read_event("persistent"))
    examples = re.findall(r"```json\n(.*?)```", (EVENTS.parent / "README.md").read_text("utf-8"), re.DOTALL)
    shown = json.loads(examples[1])
    assert set(answer) <= set(shown)
    assert set(answer["_meta_"]) <= set(shown["_meta_"])
