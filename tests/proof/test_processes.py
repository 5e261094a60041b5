"""Processes that are killed at any moment, or fifty at once, against real servers. The stand-in counts its bills."""

import random
from collections import Counter
from typing import Any

import pytest

from local.account import Account
from local.openai_stand_in import StandIn
from tests.module import Module
from tests.proof.outcomes import LATER, end_of, outcomes_of

MODELS = {"base64": "gpt-image-2.6-flare", "url": "dall-e-3"}
KILLS = 30
LIFE_SECONDS = 0.6
"""Somewhat more than a request takes here, of which the picture takes 0.2."""
CALLERS = 50


@pytest.fixture(params=MODELS)
def module(request: pytest.FixtureRequest, atomic_account: Account, stand_in: StandIn) -> Module:
    """The module with the shared credential, in either dialect, and a provider with latency."""
    stand_in.dall_e_3 = True
    stand_in.latency = 0.2
    atomic_account.create_secret({"apiKey": stand_in.api_key})
    return Module(atomic_account, stand_in, IMAGE_MODELS=MODELS[request.param])


@pytest.mark.parametrize("kills", [3, pytest.param(KILLS, marks=pytest.mark.slow)])
def test_killed_invocation_buys_once(module: Module, capsys: pytest.CaptureFixture[str], kills: int) -> None:
    moments = random.Random(3)
    calls: list[dict[str, Any]] = []
    for number in range(kills):
        call = {"prompt": f"picture {number}", "key": f"key {number}"}
        moment = (number + moments.random()) / kills * LIFE_SECONDS
        calls += [call | {"kill_after": moment}, call | {"later": LATER}, call | {"later": LATER}]
    outcomes = outcomes_of(module, calls, together=False)
    first, second, third = (list(map(end_of, outcomes[nth::3])) for nth in range(3))

    with capsys.disabled():
        print(f"\n{kills} kills: {first.count('nothing')} before an answer; then {dict(Counter(third))}", end="")  # noqa: T201  # the proof
    ledger = module.stand_in.ledger()
    assert all(counts["billed"] <= 1 for counts in ledger["by_prompt"].values())
    assert ledger["billed"] <= kills
    assert second == third
    assert set(third) <= {"picture", "OutcomeUnknownError"}
    keys = module.keys()
    assert third.count("picture") == sum(key.endswith(".png") for key in keys)
    assert {record["status"] for record in module.records()} <= {"stored", "failed"}
    assert all(again == "picture" for once, again in zip(first, second, strict=True) if once == "picture")


@pytest.mark.slow
def test_crowd_with_one_key_buys_once(module: Module, capsys: pytest.CaptureFixture[str]) -> None:
    module.stand_in.latency = 1.0
    crowd = [{"prompt": "a crowd", "key": "one key"}] * CALLERS
    once = outcomes_of(module, crowd, together=True, seconds=60)
    again = outcomes_of(module, crowd, together=True, seconds=60)

    with capsys.disabled():
        ends = dict(Counter(map(end_of, once))), dict(Counter(map(end_of, again)))
        print(f"\n{CALLERS} at once: {ends[0]}; then {ends[1]}", end="")  # noqa: T201  # the proof
    assert module.stand_in.ledger()["billed"] == module.stand_in.ledger()["requests"] == 1
    assert set(map(end_of, once)) <= {"picture", "RequestInProgressError"}
    assert "picture" in map(end_of, once)
    assert set(map(end_of, again)) == {"picture"}
    assert len({outcome["answer"]["_meta_"]["image_id"] for outcome in again}) == 1
