"""The HTTP API with the real state machine, the generate function and the stand-in behind it."""

import json
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from typing import Any

import pytest

from local.account import CREDENTIALS_ID, Account
from local.http_api import http_api
from local.openai_stand_in import StandIn
from tests.contract import assert_in_contract
from tests.module import fetch

PROMPT = "Un faro al atardecer"
IMAGES = "/clients/1/images"


def test_simultaneous_requests_and_replays_buy_one_picture(
    account: Account, stand_in: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first attempt fails for want of credit. No log contains the key or the prompt."""
    account.create_secret({"apiKey": stand_in.api_key})
    stand_in.script("insufficient_quota")
    settings, log = account.settings | {"OPENAI_BASE_URL": stand_in.base_url}, StringIO()
    with http_api(account, settings, log, sleep=lambda _: None) as gateway, ThreadPoolExecutor() as threads:

        def call(method: str, path: str = IMAGES, **fields: object) -> tuple[int, Any]:
            headers = {"Content-Type": "application/json", "Idempotency-Key": "order-1"}
            body = json.dumps({"config": {"credentials_id": CREDENTIALS_ID, "prompt": PROMPT}, **fields}).encode()
            response = gateway.answer(method, path, headers, body if method == "POST" else b"")
            assert_in_contract(method, path, response.status, response.headers, response.body)
            return response.status, json.loads(response.body)

        refused = call("POST")
        first: dict[str, Any] = {
            "data": {"prompt_image": PROMPT, "order": {"number": 4711}, "urlPath": "replaced"},
            "nextModule": "next",
        }
        bought = [sent.result() for sent in [threads.submit(call, "POST", **first) for _ in range(4)]]
        replay = call("POST", data={"prompt_image": PROMPT, "order": 2})
        looked = call("GET", f"{IMAGES}/{replay[1]['_meta_']['image_id']}")

    assert (refused[0], refused[1]["code"]) == (503, "QuotaExhaustedError")
    answers = [answer for status, answer in (*bought, replay, looked) if status == 200]
    assert [answer["data"]["order"] for answer in answers] == [first["data"]["order"]] * 4 + [2, {"number": 4711}]
    assert [answer["_meta_"]["replayed"] for answer in answers[-2:]] == [True, True]
    assert looked[1]["nextModule"] == "next"
    [picture] = {fetch(answer["data"]["urlPath"]) for answer in answers}
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    assert stand_in.ledger()["billed"] == 1
    logged = log.getvalue() + capsys.readouterr().out
    assert [text in logged for text in ("picture bought", stand_in.api_key, PROMPT)] == [True, False, False]
