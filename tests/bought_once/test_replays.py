"""What asking again gives: over a real S3 and with the stand-in as the provider."""

import json
import time
from dataclasses import replace
from hashlib import sha256

import pytest

from generate_image.errors import (
    ContentRejectedError,
    IdempotencyKeyReusedError,
    ModelUnavailableError,
    OutcomeUnknownError,
    ProviderAuthError,
    RequestInProgressError,
)
from generate_image.handler import MARGIN_SECONDS
from local.account import BUCKET, CREDENTIALS_ID, CREDENTIALS_PREFIX
from local.openai_stand_in.script import Script
from tests.module import Module, event_for, fetch, read_event


def test_a_replay_tells_the_same_with_a_fresh_link(module: Module) -> None:
    event = read_event("persistent") | {"idempotency_key": "order 7"}
    bought = module.invoke(event)
    time.sleep(1.1)  # a link names the second in which it was signed
    replayed = module.invoke(event)

    assert (bought["_meta_"].pop("replayed"), replayed["_meta_"].pop("replayed")) == (False, True)
    assert bought["data"].pop("urlPath") != replayed["data"]["urlPath"]
    assert bought["_meta_"].pop("url_expires_at") < replayed["_meta_"].pop("url_expires_at")
    assert bought["data"].pop("imageUrl") != replayed["data"].pop("imageUrl")
    link = replayed["data"].pop("urlPath")
    assert replayed == bought
    assert {name: replayed["data"][name] for name in event["data"]} == event["data"]
    assert {"usage", "model", "prompt", "cost_usd"} <= replayed["_meta_"].keys()
    ledger = module.stand_in.ledger()
    assert sha256(fetch(link)).hexdigest() == ledger["last_picture_sha256"]
    assert ledger["requests"] == ledger["billed"] == 1


def test_a_picture_by_url_keeps_that_url(module: Module) -> None:
    module.stand_in.script("url")
    event = event_for("by URL", idempotency_key="by URL")
    bought, replayed = module.invoke(event), module.invoke(event)
    assert bought["data"]["imageUrl"] == replayed["data"]["imageUrl"]
    assert bought["data"]["imageUrl"].startswith(module.stand_in.url)
    assert module.stand_in.ledger()["downloads"] == 1


def test_another_request_under_the_same_key_buys_nothing(module: Module) -> None:
    module.account.create_secret({"apiKey": module.stand_in.api_key}, credentials_id="another")
    module.invoke(event_for("a cat", idempotency_key="order 7"))
    other = {"credentials_id": "another", "prompt": "a cat"}
    for event in (
        event_for("a dog", idempotency_key="order 7"),
        event_for("a cat", idempotency_key="order 7") | {"config": other},
    ):
        with pytest.raises(IdempotencyKeyReusedError):
            module.invoke(event)
    for setting in ({"IMAGE_QUALITY": "low"}, {"IMAGE_MODELS": "gpt-image-2"}):
        before = {name: module.environ[name] for name in setting if name in module.environ}
        module.restart(**setting)
        with pytest.raises(IdempotencyKeyReusedError):
            module.invoke(event_for("a cat", idempotency_key="order 7"))
        module.restart(**dict.fromkeys(setting, "") | before)
    assert module.stand_in.ledger()["requests"] == 1
    assert module.invoke(event_for("a cat", idempotency_key="order 7"))["_meta_"]["replayed"]


def test_the_key_is_a_clients_own(module: Module) -> None:
    pictures = [module.invoke(event_for("a cat", idempotency_key="order 7", client_id=client)) for client in (1, 2)]
    assert len({picture["_meta_"]["image_id"] for picture in pictures}) == 2
    assert module.stand_in.ledger()["billed"] == 2


def test_lambda_retrying_an_asynchronous_call_buys_nothing_twice(module: Module) -> None:
    first = module.invoke(event_for("a cat"), request_id="8a5f")
    module.restart()
    retried = module.invoke(event_for("a cat"), request_id="8a5f")
    another = module.invoke(event_for("a cat"), request_id="9b60")
    assert retried["_meta_"]["replayed"]
    assert retried["_meta_"]["image_id"] == first["_meta_"]["image_id"] != another["_meta_"]["image_id"]
    assert module.stand_in.ledger()["billed"] == 2


def test_out_of_time_it_tells_so_itself_with_seconds_to_spare(module: Module) -> None:
    module.stand_in.latency = 30
    spare = 18.0  # what is kept for storing; the purchase has the rest, a second
    module.handler._generation = replace(module.handler._generation, storing_seconds=spare)
    began = time.monotonic()
    with pytest.raises(OutcomeUnknownError):
        module.invoke(event_for("late", idempotency_key="late"), seconds=spare + MARGIN_SECONDS + 1)
    assert time.monotonic() - began < spare
    [record] = module.records()
    assert record["status"] == "failed"
    assert record["error"]["code"] == "OutcomeUnknownError"
    with pytest.raises(OutcomeUnknownError):
        module.invoke(event_for("late", idempotency_key="late"))
    assert module.stand_in.ledger()["requests"] == 1


def test_an_operator_may_choose_to_buy_again_after_an_unknown_outcome(module: Module) -> None:
    module.restart(WHEN_OUTCOME_UNKNOWN="buy-again")
    module.stand_in.script("closed_after_billing")
    event = event_for("again", idempotency_key="again")
    with pytest.raises(OutcomeUnknownError):
        module.invoke(event)
    assert not module.invoke(event)["_meta_"]["replayed"]
    assert module.invoke(event)["_meta_"]["replayed"]
    assert module.stand_in.ledger()["billed"] == 2


def test_a_final_error_is_told_again_as_it_was(module: Module) -> None:
    module.stand_in.script("moderation_blocked")
    told = []
    for _ in range(2):
        with pytest.raises(ContentRejectedError) as raised:
            module.invoke(event_for("a cat", idempotency_key="order 7"))
        told.append(raised.value.to_dict())
    assert told[0] == told[1]
    assert told[0]["categories"] == ["violence"]
    assert module.stand_in.ledger()["requests"] == 1


def test_a_key_under_which_nothing_was_bought_is_free_for_what_mends_the_cause(module: Module) -> None:
    module.restart(IMAGE_MODELS="dall-e-3")
    event = event_for("a cat", idempotency_key="order 7")
    with pytest.raises(ModelUnavailableError):
        module.invoke(event)
    module.restart(IMAGE_MODELS="gpt-image-2")
    assert module.invoke(event)["_meta_"]["model"] == "gpt-image-2"


def test_a_rotated_key_costs_nobody_a_failure(module: Module) -> None:
    module.invoke(event_for("before", idempotency_key="before"))  # the key is remembered
    module.stand_in.accept_keys({"sk-rotated"})
    secrets = module.account.session().client("secretsmanager", endpoint_url=module.account.endpoint)
    name = f"{CREDENTIALS_PREFIX}/shared/{CREDENTIALS_ID}"
    secrets.put_secret_value(SecretId=name, SecretString=json.dumps({"apiKey": "sk-rotated"}))
    assert module.invoke(event_for("after", idempotency_key="after"))["_meta_"]["model"]
    assert [entry["status"] for entry in module.stand_in.ledger()["recent"]] == [200, 401, 200]


def test_a_key_that_is_refused_when_freshly_read_is_refused_once(module: Module) -> None:
    module.stand_in.accept_keys({"sk-of-someone-else"})
    with pytest.raises(ProviderAuthError):
        module.invoke(event_for("a cat", idempotency_key="order 7"))
    assert module.stand_in.ledger()["requests"] == 1
    module.stand_in.accept_keys({module.stand_in.api_key})
    assert not module.invoke(event_for("a cat", idempotency_key="order 7"))["_meta_"]["replayed"]


def test_a_record_that_outlived_its_picture_counts_as_cleared(module: Module) -> None:
    event = event_for("a cat", idempotency_key="order 7")
    key = module.invoke(event)["_meta_"]["key"]
    module.s3.delete_object(Bucket=BUCKET, Key=key)
    assert not module.invoke(event)["_meta_"]["replayed"]
    assert module.stand_in.ledger()["billed"] == 2


def test_a_foreign_record_is_told_and_nothing_is_bought(module: Module) -> None:
    event = event_for("a cat", idempotency_key="order 7")
    key = module.invoke(event)["_meta_"]["key"].replace(".png", ".json")
    for content in (b"", b"[]", b'{"status": "bought"}', b"\xff"):
        module.s3.put_object(Bucket=BUCKET, Key=key, Body=content)
        with pytest.raises(Exception, match="a record that this version did not write") as raised:
            module.invoke(event)
        assert type(raised.value).__name__ == "ConfigurationError"
    assert module.stand_in.ledger()["requests"] == 1


def test_who_asks_while_another_buys_is_told_when_to_ask_again(module: Module) -> None:
    event = event_for("a cat", idempotency_key="order 7")
    key = module.invoke(event)["_meta_"]["key"].replace(".png", ".json")
    [record] = module.records()
    module.s3.put_object(Bucket=BUCKET, Key=key, Body=json.dumps(record | {"status": "started"}).encode())
    module.stand_in.faults = Script()
    with pytest.raises(RequestInProgressError) as raised:
        module.invoke(event)
    assert raised.value.retry_after
    assert 1 <= raised.value.retry_after <= 10
