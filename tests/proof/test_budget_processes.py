"""Crowds of callers in processes of their own, with different keys and one budget of ten pictures."""

import random
import time
from collections import Counter
from typing import Any

import pytest

from generate_image.aws.ledger import Ledger, month_of
from generate_image.money import MicroUsd
from generate_image.resolution import LONGEST_INVOCATION_SECONDS
from local.account import BUCKET, Account
from local.openai_stand_in import StandIn
from tests.module import Module
from tests.proof.outcomes import end_of, outcomes_of

PICTURE = MicroUsd(40_000)
"""The fixed price of dall-e-3."""
PICTURES = 10
LIMIT = PICTURES * PICTURE
INVOCATION_SECONDS = 600.0
"""The account serves one request at a time, so a crowd of 300 takes some minutes."""
pytestmark = pytest.mark.timeout(900)
LATER = LONGEST_INVOCATION_SECONDS + INVOCATION_SECONDS
HOUR = 3600.0
IS_MONTH_ENDING = month_of(time.time()) != month_of(time.time() + 4 * HOUR)
AHEAD = 5 * HOUR if IS_MONTH_ENDING else 0.0
"""Seconds that all clocks are ahead, so that no crowd sees the end of a month."""
KILLED = 0.7
"""Share of the callers."""


@pytest.fixture
def module(atomic_account: Account, stand_in: StandIn) -> Module:
    stand_in.dall_e_3 = True
    atomic_account.create_secret({"apiKey": stand_in.api_key})
    return Module(atomic_account, stand_in, IMAGE_MODELS="dall-e-3", MONTHLY_BUDGET_USD="0.40")


def crowd(module: Module, callers: int, *, later: float = 0, kills: random.Random | None = None) -> Counter[str]:
    """Return the ends of simultaneous calls, each with its own key. later: seconds."""
    calls: list[dict[str, Any]] = [
        {"prompt": "a crowd", "key": f"{later} {key}", "later": later + AHEAD} for key in range(callers)
    ]
    for call in calls:
        if kills and kills.random() < KILLED:
            call["kill_after"] = kills.random() * callers / 20
    return Counter(map(end_of, outcomes_of(module, calls, together=True, seconds=INVOCATION_SECONDS)))


def ledger_of(module: Module) -> Ledger:
    [ledger] = module.s3.list_objects_v2(Bucket=BUCKET, Prefix="budgets/")["Contents"]
    return Ledger.from_json(module.s3.get_object(Bucket=BUCKET, Key=ledger["Key"])["Body"].read())


@pytest.mark.parametrize(
    "callers", [12, pytest.param(50, marks=pytest.mark.slow), pytest.param(300, marks=pytest.mark.slow)]
)
def test_crowd_buys_its_budget_and_no_more(module: Module, callers: int) -> None:
    ends = crowd(module, callers)

    assert ends == {"picture": PICTURES, "BudgetExceededError": callers - PICTURES}
    assert module.stand_in.ledger()["billed"] == PICTURES
    assert ledger_of(module) == Ledger(MicroUsd(LIMIT), MicroUsd(LIMIT), {})


@pytest.mark.slow
@pytest.mark.parametrize("callers", [50, 300])
def test_killed_crowd_stays_within_its_budget(module: Module, callers: int, capsys: pytest.CaptureFixture[str]) -> None:
    first = crowd(module, callers, kills=random.Random(callers))
    ledger, billed = ledger_of(module), module.stand_in.ledger()["billed"]
    assert billed * PICTURE <= ledger.settled + ledger.reserved <= LIMIT

    second = crowd(module, callers, later=LATER)
    after, all_billed = ledger_of(module), module.stand_in.ledger()["billed"]
    with capsys.disabled():
        print(f"\n{callers} callers, some killed: {dict(first)}, {billed} billed; then {dict(second)}", end="")  # noqa: T201  # the proof
    assert first["nothing"] > 0
    assert all_billed * PICTURE <= after.settled == LIMIT, "an unknown outcome counts in full"
    assert after.open == {}
    assert second["picture"] + billed <= PICTURES
