"""The retries of a rate limit, tried on accounts of different size: everybody gets through, and nobody waits for it."""

import heapq
import random
from dataclasses import dataclass

import pytest

from tests.statemachines.flow import SINGLE, read_definition

[RATE_LIMIT] = [
    retrier
    for retrier in read_definition(SINGLE)["States"]["GenerateImage"]["Retry"]
    if "RateLimitedError" in retrier["ErrorEquals"]
]
LATENCY_SECONDS = 20.0
REFUSAL_SECONDS = 1.5  # the module's own three attempts


@dataclass(frozen=True)
class Outcome:
    seconds: float
    most_attempts: int
    exhausted: int


def run_list(items: int, per_minute: float, concurrency: int, seed: int) -> Outcome:
    """Simulate a batch against an account whose limit is a bucket that fills by itself.

    A slot of the Map keeps its item until a picture is drawn, through every wait.
    """
    generator = random.Random(seed)
    tokens, filled_at, most_attempts, exhausted, now = per_minute, 0.0, 0, 0, 0.0
    waiting = list(range(items, 0, -1))
    events = [(0.0, waiting.pop(), 0) for _ in range(min(concurrency, items))]
    heapq.heapify(events)
    while events:
        now, item, attempts = heapq.heappop(events)
        tokens, filled_at = min(per_minute, tokens + (now - filled_at) * per_minute / 60), now
        most_attempts = max(most_attempts, attempts)
        if tokens >= 1:
            tokens -= 1
            done = now + LATENCY_SECONDS
        elif attempts < RATE_LIMIT["MaxAttempts"]:
            longest = RATE_LIMIT["IntervalSeconds"] * RATE_LIMIT["BackoffRate"] ** min(attempts, 30)
            wait = generator.uniform(0, min(longest, RATE_LIMIT["MaxDelaySeconds"]))
            heapq.heappush(events, (now + REFUSAL_SECONDS + wait, item, attempts + 1))
            continue
        else:
            exhausted, done = exhausted + 1, now
        if waiting:
            heapq.heappush(events, (done, waiting.pop(), 0))
        now = done
    return Outcome(now, most_attempts, exhausted)


@pytest.mark.parametrize("concurrency", [5, 20, 84])
@pytest.mark.parametrize("seed", range(3))
def test_an_account_with_five_pictures_a_minute_gets_through(concurrency: int, seed: int) -> None:
    outcome = run_list(2_000, per_minute=5, concurrency=concurrency, seed=seed)

    assert outcome.exhausted == 0
    assert outcome.most_attempts <= RATE_LIMIT["MaxAttempts"] * 0.75
    assert outcome.seconds < 1.1 * 2_000 / 5 * 60


@pytest.mark.parametrize("seed", range(3))
def test_an_account_with_250_pictures_a_minute_is_not_slowed(seed: int) -> None:
    enough = round(250 / 60 * LATENCY_SECONDS) + 1

    outcome = run_list(10_000, per_minute=250, concurrency=enough, seed=seed)

    assert outcome.exhausted == 0
    assert outcome.seconds < 1.05 * (10_000 / 250 * 60 + LATENCY_SECONDS)
