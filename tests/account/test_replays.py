"""Replays and retries, with S3 and the provider over real HTTP."""

import json

import pytest

from generate_image.errors import (
    IdempotencyKeyReusedError,
    ProviderAuthError,
)
from local.account import CREDENTIALS_ID, CREDENTIALS_PREFIX
from tests.events import event_for, read_event
from tests.module import Module, fetch


def test_replay_returns_the_same_answer_and_a_fresh_link(module: Module) -> None:
    event = read_event("persistent") | {"idempotency_key": "order 7"}
    bought = module.invoke(event)
    module.restart(DOWNLOAD_URL_SECONDS="600")
    replayed = module.invoke(event)

    assert (bought["_meta_"].pop("replayed"), replayed["_meta_"].pop("replayed")) == (False, True)
    assert bought["data"].pop("urlPath") != replayed["data"]["urlPath"]
    assert bought["_meta_"].pop("url_expires_at") > replayed["_meta_"].pop("url_expires_at")
    assert bought["data"].pop("imageUrl") != replayed["data"].pop("imageUrl")
    link = replayed["data"].pop("urlPath")
    assert replayed == bought
    assert fetch(link).startswith(b"\x89PNG")
    assert module.stand_in.ledger()["requests"] == module.stand_in.ledger()["billed"] == 1


def test_picture_by_url_keeps_that_url(module: Module) -> None:
    module.stand_in.script("url")
    event = event_for("by URL", idempotency_key="by URL")
    bought, replayed = module.invoke(event), module.invoke(event)
    assert bought["data"]["imageUrl"] == replayed["data"]["imageUrl"]
    assert bought["data"]["imageUrl"].startswith(module.stand_in.url)
    assert module.stand_in.ledger()["downloads"] == 1


def test_another_request_with_the_same_key_buys_nothing(module: Module) -> None:
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


def test_each_client_has_its_own_keys(module: Module) -> None:
    pictures = [module.invoke(event_for("a cat", idempotency_key="order 7", client_id=client)) for client in (1, 2)]
    assert len({picture["_meta_"]["image_id"] for picture in pictures}) == 2
    assert module.stand_in.ledger()["billed"] == 2


def test_asynchronous_retry_of_lambda_is_a_replay(module: Module) -> None:
    first = module.invoke(event_for("a cat"), request_id="8a5f")
    module.restart()
    retried = module.invoke(event_for("a cat"), request_id="8a5f")
    another = module.invoke(event_for("a cat"), request_id="9b60")
    assert retried["_meta_"]["replayed"]
    assert retried["_meta_"]["image_id"] == first["_meta_"]["image_id"] != another["_meta_"]["image_id"]
    assert module.stand_in.ledger()["billed"] == 2


def test_rotated_key_is_read_again(module: Module) -> None:
    module.invoke(event_for("before", idempotency_key="before"))  # the function remembers the key
    module.stand_in.accept_keys({"sk-rotated"})
    name = f"{CREDENTIALS_PREFIX}/shared/{CREDENTIALS_ID}"
    secrets = module.clients.secrets_manager
    secrets.put_secret_value(SecretId=name, SecretString=json.dumps({"apiKey": "sk-rotated"}))
    assert module.invoke(event_for("after", idempotency_key="after"))["_meta_"]["model"]
    assert [entry["status"] for entry in module.stand_in.ledger()["recent"]] == [200, 401, 200]


def test_wrong_key_is_sent_once_and_releases_the_record(module: Module) -> None:
    module.stand_in.accept_keys({"sk-of-someone-else"})
    with pytest.raises(ProviderAuthError):
        module.invoke(event_for("a cat", idempotency_key="order 7"))
    assert module.stand_in.ledger()["requests"] == 1
    module.stand_in.accept_keys({module.stand_in.api_key})
    assert not module.invoke(event_for("a cat", idempotency_key="order 7"))["_meta_"]["replayed"]
