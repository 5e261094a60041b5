"""The HTTP API with the real state machine, the generate function and the stand-in behind it."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from typing import Any, NamedTuple

import pytest

from local.account import CREDENTIALS_ID, Account
from local.http_api import http_api
from local.openai_stand_in import StandIn
from tests.contract import assert_in_contract
from tests.module import fetch

PROMPT = "Un faro al atardecer"
IMAGES = "/clients/1/images"


class Answer(NamedTuple):
    status: int
    body: Any

    @property
    def replayed(self) -> bool:
        return bool(self.body["_meta_"]["replayed"])


Call = Callable[..., Answer]


@pytest.fixture
def call(account: Account, stand_in: StandIn, capsys: pytest.CaptureFixture[str]) -> Iterator[Call]:
    """Give a function that sends a request. No log may contain the key or the prompt."""
    account.create_secret({"apiKey": stand_in.api_key})
    log = StringIO()
    with http_api(
        account, account.settings | {"OPENAI_BASE_URL": stand_in.base_url}, log, sleep=lambda _: None
    ) as gateway:

        def send(method: str, path: str = IMAGES, prefer: str = "", **fields: object) -> Answer:
            headers = {"Content-Type": "application/json", "Idempotency-Key": "order-1", "Prefer": prefer}
            event = {"config": {"credentials_id": CREDENTIALS_ID, "prompt": PROMPT}, **fields}
            body = json.dumps(event).encode() if method == "POST" else b""
            response = gateway.answer(method, path, headers, body)
            assert_in_contract(method, path, response.status, response.headers, response.body)
            return Answer(response.status, json.loads(response.body))

        yield send
    logged = log.getvalue() + capsys.readouterr().out
    assert "picture bought" in logged
    assert stand_in.api_key not in logged
    assert PROMPT not in logged


def test_picture_is_bought_once_and_can_be_fetched(call: Call, stand_in: StandIn) -> None:
    data = {"prompt_image": PROMPT, "order": {"number": 4711}, "urlPath": "replaced"}
    stand_in.script("insufficient_quota")

    refused = call("POST")
    bought = call("POST", nextModule="next", data=data)
    replay = call("POST", data={"prompt_image": PROMPT, "order": 2})
    looked = call("GET", f"{IMAGES}/{bought.body['_meta_']['image_id']}")

    assert (refused.status, refused.body["code"]) == (503, "QuotaExhaustedError")
    assert [answer.status for answer in (bought, replay, looked)] == [200, 200, 200]
    assert [answer.replayed for answer in (bought, replay, looked)] == [False, True, True]
    assert [answer.body["data"]["order"] for answer in (bought, replay, looked)] == [data["order"], 2, data["order"]]
    assert looked.body["nextModule"] == "next"
    assert fetch(bought.body["data"]["urlPath"]) == fetch(looked.body["data"]["urlPath"])
    assert fetch(bought.body["data"]["urlPath"]).startswith(b"\x89PNG\r\n\x1a\n")
    assert stand_in.ledger()["billed"] == 1


def test_simultaneous_requests_buy_one_picture(call: Call, stand_in: StandIn) -> None:
    with ThreadPoolExecutor() as threads:
        answers = [sent.result() for sent in [threads.submit(call, "POST") for _ in range(4)]]

    assert {answer.status for answer in answers} == {200}
    assert len({answer.body["_meta_"]["image_id"] for answer in answers}) == 1
    assert stand_in.ledger()["billed"] == 1
