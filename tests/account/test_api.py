"""The HTTP API with the real state machine, the generate function and the stand-in behind it."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from threading import Event
from typing import Any, NamedTuple

import pytest

from generate_image.errors import CredentialsError
from local.account import CREDENTIALS_ID, Account
from local.gateway import Gateway
from local.http_api import http_api
from local.openai_stand_in import StandIn
from tests.contract import assert_in_contract
from tests.module import fetch

PROMPT = "Un faro al atardecer"
IMAGES = "/clients/1/images"


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: Any

    @property
    def image_id(self) -> str:
        found: str = self.body.get("image_id") or self.body["_meta_"]["image_id"]
        return found


class Caller:
    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway

    def send(self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b"") -> Answer:
        response = self.gateway.answer(method, path, headers or {}, body)
        assert_in_contract(method, path, response.status, response.headers, response.body)
        return Answer(response.status, dict(response.headers), json.loads(response.body))

    def post(self, key: str, prefer: str = "", prompt: str = PROMPT, **fields: object) -> Answer:
        headers = {"Content-Type": "application/json", "Idempotency-Key": key, "Prefer": prefer}
        event = {"config": {"credentials_id": CREDENTIALS_ID, "prompt": prompt}, **fields}
        return self.send("POST", IMAGES, headers, json.dumps(event).encode())

    def get(self, image_id: str) -> Answer:
        return self.send("GET", f"{IMAGES}/{image_id}")

    def poll(self, image_id: str) -> Answer:
        """GET until the status is not 202."""
        for _ in range(300):
            answer = self.get(image_id)
            if answer.status != 202:
                return answer
            time.sleep(0.05)
        raise AssertionError("The picture is still pending.")


@pytest.fixture
def api(account: Account, stand_in: StandIn, capsys: pytest.CaptureFixture[str]) -> Iterator[Caller]:
    account.create_secret({"apiKey": stand_in.api_key})
    log = StringIO()
    settings = account.settings | {"OPENAI_BASE_URL": stand_in.base_url}
    with http_api(account, settings, log, sleep=lambda _: None) as gateway:
        yield Caller(gateway)
    logged = log.getvalue() + capsys.readouterr().out
    assert "request failed" in logged or stand_in.ledger()["billed"]
    assert stand_in.api_key not in logged
    assert PROMPT not in logged


def test_picture_is_bought_once_and_can_be_fetched(api: Caller, stand_in: StandIn) -> None:
    data = {"prompt_image": PROMPT, "order": {"number": 4711}, "urlPath": "replaced"}

    first = api.post("order-1", nextModule="next", data=data)
    replay = api.post("order-1", data={"prompt_image": PROMPT, "order": 2})
    looked = api.get(first.image_id)

    assert [answer.status for answer in (first, replay, looked)] == [200, 200, 200]
    assert [answer.body["_meta_"]["replayed"] for answer in (first, replay, looked)] == [False, True, True]
    assert [answer.body["data"]["order"] for answer in (first, replay, looked)] == [data["order"], 2, data["order"]]
    assert looked.body["nextModule"] == "next"
    assert fetch(first.body["data"]["urlPath"]).startswith(b"\x89PNG\r\n\x1a\n")
    assert fetch(first.body["data"]["urlPath"]) == fetch(looked.body["data"]["urlPath"])
    assert stand_in.ledger()["billed"] == 1


def test_simultaneous_requests_buy_one_picture(api: Caller, stand_in: StandIn) -> None:
    with ThreadPoolExecutor() as threads:
        calls = [threads.submit(api.post, "order-1") for _ in range(4)]
        answers = [call.result() for call in calls]

    assert {answer.status for answer in answers} == {200}
    assert len({answer.image_id for answer in answers}) == 1
    assert stand_in.ledger()["billed"] == 1


def test_failed_key_buys_after_its_cause_is_gone(api: Caller, stand_in: StandIn) -> None:
    stand_in.script("insufficient_quota")

    refused = api.post("order-1", "respond-async")
    looked = api.poll(refused.image_id)
    bought = api.post("order-1")

    assert (refused.status, looked.status, looked.body["code"]) == (202, 503, "QuotaExhaustedError")
    assert (bought.status, bought.body["_meta_"]["replayed"]) == (200, False)
    assert stand_in.ledger()["billed"] == 1


def test_running_execution_binds_its_key(account: Account) -> None:
    is_called, may_end = Event(), Event()

    def generate(_event: object, _context: object) -> None:
        is_called.set()
        may_end.wait(30)
        raise CredentialsError("There is no such secret.")

    with http_api(account, account.settings, StringIO(), sleep=lambda _: None, buys=generate) as gateway:
        api = Caller(gateway)
        first = api.post("order-1", "respond-async")
        is_called.wait(30)
        reused = api.post("order-1", "respond-async", prompt="Un gato")
        joined = api.post("order-1", "respond-async", nextModule="other")
        may_end.set()
        ended = api.poll(first.image_id)

    assert (reused.status, reused.body["code"]) == (422, "IdempotencyKeyReusedError")
    assert (joined.status, joined.body) == (202, {"image_id": first.image_id, "status": "queued"})
    assert (ended.status, ended.body["detail"]) == (400, "There is no such secret.")
