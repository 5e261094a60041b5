"""Processes that are killed at any moment, and crowds of them, against real servers. The stand-in counts its bills."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from generate_image.aws.ledger import Ledger, month_of
from generate_image.money import MicroUsd
from generate_image.resolution import LONGEST_INVOCATION_SECONDS
from generate_image.state import CLOCK_SKEW_SECONDS
from local.account import BUCKET, Account
from local.loopback import serving
from local.openai_stand_in import StandIn
from tests.module import Module
from tests.proof.processes import Call, outcomes_of

KILLS = 30
WAITING_CONNECTIONS = 1024
INVOCATION_SECONDS = 8.0
LIFE_SECONDS = 0.6
"""Somewhat more than a request takes here, of which the picture takes 0.2."""
CROWD_SECONDS = 600.0
"""The account serves one request at a time, so a crowd of 300 takes some minutes."""
LATER = LONGEST_INVOCATION_SECONDS + CROWD_SECONDS
"""Seconds until the reservation of a killed invocation can be resolved."""
PICTURES = 10
LIMIT = PICTURES * MicroUsd(40_000)
"""The fixed price of dall-e-3, for ten pictures."""
HOUR = 3600.0
IS_MONTH_ENDING = month_of(time.time()) != month_of(time.time() + 4 * HOUR)
AHEAD = 5 * HOUR if IS_MONTH_ENDING else 0.0
"""Seconds that all clocks are ahead, so that no crowd sees the end of a month."""
KILLED = 0.7
"""Share of the callers."""

pytestmark = pytest.mark.timeout(900)
slow = pytest.mark.slow
by_dialect = pytest.mark.parametrize("model", ["gpt-image-2.6-flare", "dall-e-3"], ids=["base64", "url"])


@pytest.fixture
def start(account: Account, stand_in: StandIn) -> Iterator[Callable[..., Module]]:
    """Return a function that makes the module, with the shared credential.

    Its account is behind a server that serves one request at a time: S3 decides conditional writes one after the other,
    and moto's threads check first and write later.
    """
    with serving(DomainDispatcherApplication(create_backend_app), 0, threaded=False) as server:
        server.socket.listen(WAITING_CONNECTIONS)
        atomic_account = replace(account, endpoint=f"http://127.0.0.1:{server.port}")

        def start(latency: float = 0.0, **settings: str) -> Module:
            stand_in.dall_e_3 = True
            stand_in.latency = latency
            atomic_account.create_secret({"apiKey": stand_in.api_key})
            return Module(atomic_account, stand_in, **settings)

        yield start


@by_dialect
@pytest.mark.parametrize("kills", [3, pytest.param(KILLS, marks=slow)])
def test_killed_invocation_buys_once(
    start: Callable[..., Module], show: Callable[[object], None], model: str, kills: int
) -> None:
    module = start(latency=0.2, IMAGE_MODELS=model)
    moments = random.Random(3)
    calls: list[Call] = []
    for number in range(kills):
        call = Call(f"picture {number}", f"key {number}", INVOCATION_SECONDS + CLOCK_SKEW_SECONDS + 1)
        moment = (number + moments.random()) / kills * LIFE_SECONDS
        calls += [call._replace(later=0.0, kill_after=moment), call, call]
    ends = [outcome.end for outcome in outcomes_of(module, [[call] for call in calls], INVOCATION_SECONDS)]
    first, second, third = (ends[nth::3] for nth in range(3))

    show(f"{kills} kills: {first.count('nothing')} before an answer; then {dict(Counter(third))}")
    ledger = module.stand_in.ledger()
    assert all(counts["billed"] <= 1 for counts in ledger["by_prompt"].values())
    assert ledger["billed"] <= kills
    assert second == third
    assert set(third) <= {"picture", "OutcomeUnknownError"}
    keys = module.keys()
    assert third.count("picture") == sum(key.endswith(".png") for key in keys)
    assert {record["status"] for record in module.records()} <= {"stored", "failed"}
    assert all(again == "picture" for once, again in zip(first, second, strict=True) if once == "picture")


@slow
@by_dialect
def test_crowd_with_one_key_buys_once(start: Callable[..., Module], show: Callable[[object], None], model: str) -> None:
    module = start(latency=1.0, IMAGE_MODELS=model)
    callers = [Call("a crowd", "one key")] * 50
    outcomes = outcomes_of(module, [callers, callers], 60)
    once, again = Counter(outcome.end for outcome in outcomes[:50]), outcomes[50:]

    show(f"50 at once: {dict(once)}; then {dict(Counter(outcome.end for outcome in again))}")
    assert module.stand_in.ledger()["billed"] == module.stand_in.ledger()["requests"] == 1
    assert once["picture"] + once["RequestInProgressError"] == 50
    assert once["picture"]
    assert {outcome.end for outcome in again} == {"picture"}
    assert len({outcome.answer["_meta_"]["image_id"] for outcome in again}) == 1


def crowd(module: Module, callers: int, *, later: float = 0.0, kills: random.Random | None = None) -> Counter[str]:
    """Return the ends of simultaneous calls, each with its own key."""
    calls = [Call("a crowd", f"{later} {key}", later + AHEAD) for key in range(callers)]
    if kills:
        moments = [kills.random() * callers / 20 if kills.random() < KILLED else None for _ in calls]
        calls = [call._replace(kill_after=moment) for call, moment in zip(calls, moments, strict=True)]
    return Counter(outcome.end for outcome in outcomes_of(module, [calls], CROWD_SECONDS))


def ledger_of(module: Module) -> Ledger:
    [ledger] = module.s3.list_objects_v2(Bucket=BUCKET, Prefix="budgets/")["Contents"]
    return Ledger.from_json(module.s3.get_object(Bucket=BUCKET, Key=ledger["Key"])["Body"].read())


@pytest.fixture
def limited(start: Callable[..., Module]) -> Module:
    """The module with a budget of ten pictures."""
    return start(IMAGE_MODELS="dall-e-3", MONTHLY_BUDGET_USD="0.40")


@pytest.mark.parametrize("callers", [12, pytest.param(50, marks=slow), pytest.param(300, marks=slow)])
def test_crowd_buys_its_budget_and_no_more(limited: Module, callers: int) -> None:
    ends = crowd(limited, callers)

    assert ends == {"picture": PICTURES, "BudgetExceededError": callers - PICTURES}
    assert limited.stand_in.ledger()["billed"] == PICTURES
    assert ledger_of(limited) == Ledger(MicroUsd(LIMIT), MicroUsd(LIMIT), {})


@slow
@pytest.mark.parametrize("callers", [50, 300])
def test_killed_crowd_stays_within_its_budget(limited: Module, callers: int, show: Callable[[object], None]) -> None:
    first = crowd(limited, callers, kills=random.Random(callers))
    ledger, billed = ledger_of(limited), limited.stand_in.ledger()["billed"]
    assert billed * LIMIT / PICTURES <= ledger.settled + ledger.reserved <= LIMIT

    second = crowd(limited, callers, later=LATER)
    after, all_billed = ledger_of(limited), limited.stand_in.ledger()["billed"]
    show(f"{callers} callers, some killed: {dict(first)}, {billed} billed; then {dict(second)}")
    assert first["nothing"] > 0
    assert all_billed * LIMIT / PICTURES <= after.settled == LIMIT, "an unknown outcome counts in full"
    assert after.open == {}
    assert second["picture"] + billed <= PICTURES
