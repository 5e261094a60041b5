"""The events of ``events/`` through the generate function: the answer, the log and the metrics."""

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from generate_image.errors import ERRORS_BY_CODE, GenerateImageError
from local.account import BUCKET
from local.openai_stand_in import CATALOGUE, StandIn
from tests.events import EVENTS, event_for, read_event
from tests.module import Module, fetch

GOOD = ("direct", "persistent", "minimal", "with-key")
BAD: Mapping[str, str] = {f"bad/{path.stem}": "InvalidRequestError" for path in (EVENTS / "bad").glob("*.json")} | {
    "bad/credentials-unknown": "CredentialsError"
}


@pytest.mark.parametrize("name", GOOD)
def test_good_event_returns_the_answer_of_the_contract(module: Module, stand_in: StandIn, name: str) -> None:
    event = read_event(name)
    passed_through = event["data"] if name == "persistent" else {}
    answer = module.invoke(event)

    meta, url = answer["_meta_"], answer["data"]["urlPath"]
    key = f"temporal/cli_{event['client_id']}/{meta['image_id']}.png"
    place = {"imageUrl": url, "urlPath": url, "localPath": f"s3://{BUCKET}/{key}"}
    next_module = {"nextModule": event["nextModule"]} if "nextModule" in event else {}
    assert answer == {**next_module, "data": passed_through | place, "_meta_": meta}
    assert meta["prompt"] in module.prompts
    tokens = meta["usage"]["input_tokens"]
    assert meta == {
        "prompt": meta["prompt"],
        "tokens_consumed": 0.4,
        "image_id": meta["image_id"],
        "model": "gpt-image-2.6-flare",
        "bucket": BUCKET,
        "key": key,
        "content_type": "image/png",
        "content_credentials": "absent",
        "url_expires_at": meta["url_expires_at"],
        "usage": {"input_tokens": tokens, "output_tokens": 439, "total_tokens": tokens + 439},
        "cost_usd": pytest.approx(0.01317 + tokens * 0.000005, abs=0.00006),
        "openai_request_id": stand_in.ledger()["recent"][0]["request_id"],
        "replayed": False,
    }
    assert fetch(url).startswith(b"\x89PNG")
    head = module.s3.head_object(Bucket=BUCKET, Key=key)
    assert not [text for text in (*module.prompts, "sk-") if text in json.dumps(head["Metadata"])]


@pytest.mark.parametrize("name", sorted(BAD))
def test_bad_event_raises_its_error_and_buys_nothing(module: Module, stand_in: StandIn, name: str) -> None:
    with pytest.raises(ERRORS_BY_CODE[BAD[name]]):
        module.invoke(read_event(name))
    assert (stand_in.ledger()["requests"], module.keys()) == (0, [])


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


def attempt(module: Module, event: object) -> None:
    """Invoke the function. An error repeats neither the prompt nor the key."""
    message = ""
    try:
        module.invoke(event, seconds=8)
    except GenerateImageError as error:
        message = f"{error} {error.errors}"
    assert not [text for text in (*module.prompts, module.stand_in.api_key) if text in message]


def test_purchases_replays_and_failures_are_logged_and_counted(module: Module, stand_in: StandIn) -> None:
    event = event_for("a lighthouse", idempotency_key="k")
    stand_in.script("insufficient_quota")
    attempt(module, event)
    bought = module.invoke(event)["_meta_"]
    for _ in range(2):
        module.invoke(event)

    lines = [line for line in module.log_lines() if line.get("message", "").startswith(("request", "picture"))]
    assert [line["message"] for line in lines] == [
        "request failed",
        "picture bought",
        "picture stored",
        "picture replayed",
        "picture replayed",
    ]
    known = {name: bought[name] for name in ("image_id", "model", "openai_request_id")} | {"client_id": "1"}
    for line in lines[1:]:
        assert {name: line[name] for name in known} == known
        assert line["function_request_id"]
    assert lines[0]["openai_request_id"] != bought["openai_request_id"]
    failed, purchase, stored, *replays = module.metrics()
    assert (failed["Failures"], failed["error"]) == ([1.0], "QuotaExhaustedError")
    assert (purchase["PicturesBought"], purchase["model"]) == ([1.0], "gpt-image-2.6-flare")
    assert (purchase["OutputTokens"], purchase["CostUsd"]) == ([439.0], [bought["cost_usd"]])
    assert purchase["ProviderLatency"][0] >= 0
    assert (stored["ContentCredentials"], stored["model"]) == ([0.0], "gpt-image-2.6-flare")
    assert [replay["PicturesReplayed"] for replay in replays] == [[1.0], [1.0]]


def test_readme_shows_every_field_of_an_answer(module: Module) -> None:
    answer = module.invoke(read_event("persistent"))
    examples = re.findall(r"```json\n(.*?)```", (EVENTS.parent / "README.md").read_text("utf-8"), re.DOTALL)
    shown: dict[str, Any] = json.loads(examples[1])
    assert (answer.keys(), answer["_meta_"].keys()) == (shown.keys(), shown["_meta_"].keys())


def test_replay_returns_the_same_answer_and_a_fresh_link(module: Module, stand_in: StandIn) -> None:
    event = read_event("persistent") | {"idempotency_key": "order 7"}
    bought = module.invoke(event)
    module.restart(DOWNLOAD_URL_SECONDS="600")
    replayed = module.invoke(event)

    assert (bought["_meta_"].pop("replayed"), replayed["_meta_"].pop("replayed")) == (False, True)
    assert bought["_meta_"].pop("url_expires_at") > replayed["_meta_"].pop("url_expires_at")
    links = [{answer["data"].pop(name) for name in ("imageUrl", "urlPath")} for answer in (bought, replayed)]
    assert replayed == bought
    assert links[0].isdisjoint(links[1])
    assert fetch(links[1].pop()).startswith(b"\x89PNG")
    assert stand_in.ledger()["requests"] == stand_in.ledger()["billed"] == 1


def test_picture_by_url_keeps_that_url(module: Module, stand_in: StandIn) -> None:
    stand_in.script("url")
    event = event_for("by URL", idempotency_key="by URL")
    urls = {module.invoke(event)["data"]["imageUrl"] for _ in range(2)}
    assert [url.startswith(stand_in.url) for url in urls] == [True]
    assert stand_in.ledger()["downloads"] == 1


def test_asynchronous_retry_of_lambda_is_a_replay(module: Module) -> None:
    first, retried, another = (
        module.invoke(event_for("a cat"), request_id=request_id)["_meta_"] for request_id in ("8a5f", "8a5f", "9b60")
    )
    assert (retried["replayed"], another["replayed"]) == (True, False)
    assert retried["image_id"] == first["image_id"] != another["image_id"]
