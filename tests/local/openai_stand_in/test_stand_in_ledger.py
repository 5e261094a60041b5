"""What the stand-in counts, and how it is told what to do over HTTP."""

from __future__ import annotations

import base64
import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest
import requests

from local.openai_stand_in import StandIn
from local.openai_stand_in.faults import CATALOGUE

if TYPE_CHECKING:
    from collections.abc import Callable

    Generate = Callable[..., requests.Response]

PROMPT = "a quiet lake"
KEY = sha256(PROMPT.encode()).hexdigest()[:16]


def _wait_until(condition: Callable[[], object]) -> None:
    """Wait for another thread; what follows fails where it never comes."""
    until = time.monotonic() + 5
    while not condition() and time.monotonic() < until:
        time.sleep(0.01)


def _ask_and_hang_up(stand_in: StandIn) -> None:
    with pytest.raises(requests.ReadTimeout):
        requests.post(
            f"{stand_in.base_url}/images/generations",
            json={"model": "gpt-image-2", "prompt": PROMPT},
            headers={"Authorization": f"Bearer {stand_in.api_key}"},
            timeout=0.1,
        )


def test_it_counts_requests_and_pictures(stand_in: StandIn, generate: Generate) -> None:
    answers = [generate(), generate(n=3), generate(n=0), generate(prompt="else")]
    ledger = stand_in.ledger()
    assert (ledger["requests"], ledger["billed"]) == (4, 5)
    assert ledger["by_prompt"][KEY] == {"requests": 3, "billed": 4}
    assert [entry["request_id"] for entry in ledger["recent"]] == [answer.headers["x-request-id"] for answer in answers]
    assert ledger["recent"][2] == {
        "request_id": answers[2].headers["x-request-id"],
        "model": "gpt-image-2.6-flare",
        "prompt": KEY,
        "billed": False,
        "fault": None,
        "status": 400,
    }
    last = base64.b64decode(answers[3].json()["data"][0]["b64_json"])
    assert ledger["last_picture_sha256"] == sha256(last).hexdigest()


def test_it_bills_a_picture_that_nobody_waited_for(stand_in: StandIn) -> None:
    stand_in.script("delay", delay=1)
    _ask_and_hang_up(stand_in)
    assert stand_in.ledger()["billed"] == 0
    _wait_until(lambda: stand_in.ledger()["billed"])
    assert stand_in.ledger()["billed"] == 1


def test_it_bills_at_the_end_of_the_latency(stand_in: StandIn, generate: Generate) -> None:
    stand_in.latency = 1
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(generate)
        _wait_until(lambda: stand_in.ledger()["requests"])
        assert stand_in.ledger()["recent"][-1]["status"] is None
        assert stand_in.ledger()["billed"] == 0
        assert answer.result().status_code == 200
    assert stand_in.ledger()["billed"] == 1


def test_a_request_under_way_when_everything_is_reset_is_not_counted_afterwards(stand_in: StandIn) -> None:
    stand_in.script("delay", delay=0.3)
    before = stand_in.current_ledger
    _ask_and_hang_up(stand_in)
    stand_in.reset()
    _wait_until(lambda: before.as_json()["billed"])
    assert before.as_json()["billed"] == 1
    assert stand_in.ledger()["requests"] == stand_in.ledger()["billed"] == 0


def test_it_loses_no_count_under_many_callers(stand_in: StandIn, generate: Generate) -> None:
    stand_in.script(faults=["closed_after_billing", "server_error"], rate=0.3, seed=3)

    def ask(_: int) -> None:
        with suppress(requests.ConnectionError):
            generate(quality="low")

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(ask, range(80)))
    ledger = stand_in.ledger()
    assert ledger["requests"] == 80
    assert ledger["billed"] == 80 - sum(entry["fault"] == "server_error" for entry in ledger["recent"])
    assert ledger["by_prompt"][KEY] == {"requests": 80, "billed": ledger["billed"]}


def test_it_keeps_no_prompt(stand_in: StandIn, generate: Generate) -> None:
    generate()
    generate(n=0)
    assert PROMPT not in json.dumps(stand_in.ledger())


def test_a_download_with_a_key_is_noticed(stand_in: StandIn, generate: Generate) -> None:
    stand_in.script("url")
    url = generate().json()["data"][0]["url"]
    requests.get(url, timeout=5)
    requests.get(url, headers={"Authorization": "Bearer x"}, timeout=5)
    ledger = stand_in.ledger()
    assert (ledger["downloads"], ledger["downloads_with_authorization"]) == (2, 1)


def test_the_control_routes_do_what_the_methods_do(stand_in: StandIn, generate: Generate) -> None:
    control = f"{stand_in.url}/_stand_in"
    assert requests.post(f"{control}/faults", json=[{"fault": "server_error"}], timeout=5).status_code == 204
    shown = requests.get(f"{control}/faults", timeout=5).json()
    assert shown["waiting"] == [{"faults": ["server_error"], "left": 1, "rate": 1.0}]
    assert set(shown["catalogue"]) == set(CATALOGUE)
    assert generate().status_code == 500
    settings = {
        "latency": 0.001,
        "picture_bytes": 400_000,
        "dall_e_3": True,
        "today": "2026-12-24",
        "shutdown_dates": {"gpt-image-2": "2026-12-24", "gpt-image-1": None},
        "accepted_keys": ["sk-new", "sk-stand-in"],
    }
    assert requests.post(f"{control}/settings", json=settings, timeout=5).status_code == 204
    assert len(base64.b64decode(generate().json()["data"][0]["b64_json"])) == 400_000
    assert [generate(model=model).status_code for model in ("gpt-image-2", "gpt-image-1", "dall-e-3")] == [
        400,
        200,
        200,
    ]
    assert requests.get(f"{control}/ledger", timeout=5).json() == stand_in.ledger()
    assert requests.delete(control, timeout=5).status_code == 204
    assert stand_in.ledger()["requests"] == 0
    assert (stand_in.picture_bytes, stand_in.dall_e_3, stand_in.accepted_keys) == (0, False, frozenset({"sk-stand-in"}))


@pytest.mark.parametrize(
    "settings",
    [
        {"latency": -1},
        {"latency": "1"},
        {"colour": "red"},
        {"today": "soon"},
        {"shutdown_dates": {"gpt-image-9": None}},
        {"accepted_keys": [7]},
        [],
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(stand_in: StandIn, settings: object) -> None:
    answer = requests.post(f"{stand_in.url}/_stand_in/settings", json=settings, timeout=5)
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_keys_rotate(stand_in: StandIn, generate: Generate) -> None:
    assert generate().status_code == 200
    stand_in.accept_keys({"sk-next"})
    assert generate().status_code == 401
    stand_in.accept_keys({"sk-next", stand_in.api_key})
    assert generate().status_code == 200
    assert stand_in.ledger()["by_prompt"][KEY] == {"requests": 3, "billed": 2}


def test_an_unknown_control_route_is_told(stand_in: StandIn) -> None:
    assert requests.get(f"{stand_in.url}/_stand_in/nothing", timeout=5).status_code == 404


def test_stopping_cuts_a_request_that_waits() -> None:
    with ThreadPoolExecutor() as pool:
        with StandIn(latency=60) as stand_in:
            headers = {"Authorization": f"Bearer {stand_in.api_key}"}
            body = {"model": "gpt-image-2", "prompt": PROMPT}
            url = f"{stand_in.base_url}/images/generations"
            waiting = pool.submit(requests.post, url, json=body, headers=headers, timeout=30)
            _wait_until(lambda: stand_in.ledger()["requests"])
        assert isinstance(waiting.exception(), requests.ConnectionError)
    assert stand_in.ledger()["billed"] == 0
