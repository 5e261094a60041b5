"""Calls that interleave at random keep the budget; a shared reservation and an unconditional write break it.

Each invocation runs in a thread of its own and stops before each outward call, which may meet a death, a lost response
or a late write. One invocation goes on at a time, so a seed repeats its schedule.
"""

import random
from contextlib import suppress
from dataclasses import replace
from functools import partial
from threading import Semaphore, Thread
from typing import Any, cast

import pytest

from generate_image.credentials import Credentials
from generate_image.errors import ContentRejectedError, GenerateImageError, OutcomeUnknownError, RateLimitedError
from generate_image.functions import generate_image
from generate_image.functions.generate_image import PARTS, Parts
from generate_image.money import MicroUsd
from generate_image.options import NO_OPTIONS, Options
from generate_image.picture import BoughtPicture
from generate_image.provider.images_api import ImagesApi, Purchase
from generate_image.provider.models import largest_cost_of
from local.lambda_context import LocalContext
from tests.events import event_for
from tests.memory_s3 import Clock, Effect, MemoryS3, run_late, under_fault
from tests.proof.breaks import INTERLEAVING_BREAKS
from tests.proof.faults import KilledError, Kind
from tests.proof.world import environment_of, ledgers_in
from tests.provider_server import PICTURE

SEEDS = 400
MODEL = "gpt-image-2"
QUALITIES = ("low", "medium", "high")
INVOCATION_SECONDS = 60.0
MONTH_ENDS = 1_801_440_000.0
"""2027-02-01."""
FAULTS = [(Kind.DIES_BEFORE, True), (Kind.DIES_AFTER, True), (Kind.LATE, False), (Kind.LATE, True), (Kind.LOST, False)]
"""Each with whether the function dies."""


def violations(seeds: int, parts: Parts = PARTS) -> dict[int, set[str]]:
    """Return the broken promises by seed."""
    found = {seed: Interleaving(seed, parts).run() for seed in range(seeds)}
    return {seed: broken for seed, broken in found.items() if broken}


@pytest.mark.parametrize("seeds", [SEEDS, pytest.param(50 * SEEDS, marks=pytest.mark.slow)])
def test_interleaved_calls_keep_the_budget(seeds: int) -> None:
    assert violations(seeds) == {}


@pytest.mark.parametrize("name", INTERLEAVING_BREAKS)
def test_broken_rule_is_detected(name: str) -> None:
    assert violations(SEEDS, INTERLEAVING_BREAKS[name])


class Interleaving:
    """Two to four calls of one or two keys, under one budget. parts: the classes of the function."""

    def __init__(self, seed: int, parts: Parts) -> None:
        self.random = random.Random(seed)
        self.parts = parts
        self.clock = Clock()
        self.clock.now = MONTH_ENDS - self.random.choice([1_000_000.0, 2.0])
        self.s3 = MemoryS3(self.clock)
        self.late: list[Effect] = []
        self.faults = self.random.choice([0.0, 0.05, 0.2])
        self.limit = self.random.choice([60_000, 250_000, 1_000_000])
        self.environ = {
            "IMAGE_MODELS": MODEL,
            "MONTHLY_BUDGET_USD": str(self.limit / 1_000_000),
            "WHEN_OUTCOME_UNKNOWN": self.random.choice(["fail", "buy-again"]),
        }
        self.billed = 0
        self.scheduler = Semaphore(0)

    def run(self) -> set[str]:
        """Return the broken promises of a schedule."""
        violations: set[str] = set()
        quality = self.random.choice(QUALITIES)
        running = [Invocation(self, self.random.choice("aab"), quality) for _ in range(self.random.randint(2, 4))]
        if self.random.random() < 1 / 3:
            running[0].quality = self.random.choice(QUALITIES)
        while running or self.late:
            if self.late and (not running or self.random.random() < 1 / 10):
                run_late([self.late.pop()])
            else:
                invocation = self.random.choice(running)
                self.clock.pass_by(self.random.choice([0.1, 0.5] if self.random.random() < 0.98 else [70.0]))  # rarely
                invocation.go_on()
                if invocation.ended:
                    running.remove(invocation)
            totals = [ledger.settled + ledger.reserved for ledger in ledgers_in(self.s3)]
            if any(total > self.limit for total in totals):
                violations.add("the limit is exceeded")
            if sum(totals) < self.billed:
                violations.add("a billed picture is not counted")
        return violations


class Invocation:
    """One call of the function, in a thread. It stops before each outward call."""

    def __init__(self, world: Interleaving, key: str, quality: str) -> None:
        self.world = world
        self.key = key
        self.quality = quality
        self.ended = False
        self._turn = Semaphore(0)
        self._deadline = 0.0
        self._thread = Thread(target=self._run, daemon=True)

    def go_on(self) -> None:
        """Run up to the next outward call, or to the end."""
        if not self._thread.ident:
            self._deadline = self.world.clock.now + INVOCATION_SECONDS
            self._thread.start()
        else:
            self._turn.release()
        self.world.scheduler.acquire()

    def pause(self) -> None:
        """Let others go on. Raises KilledError at Lambda's timeout."""
        self.world.scheduler.release()
        self._turn.acquire()
        if self.world.clock.now > self._deadline:
            raise KilledError

    def _call(self, name: str, effect: Effect) -> dict[str, Any]:
        """Make a call, sometimes with a fault."""
        if name == "get_secret_value":
            return effect()
        self.pause()
        kind, dies = (
            self.world.random.choice(FAULTS) if self.world.random.random() < self.world.faults else (None, False)
        )
        try:
            return under_fault(kind, name, effect, self.world.late)
        finally:
            if dies:
                raise KilledError

    def _run(self) -> None:
        world = self.world
        environment = environment_of(world.environ, world.s3, self._call, world.clock)
        environment.sleep = lambda _: self.pause()
        environment.deadline.start(INVOCATION_SECONDS)
        images = cast("type[ImagesApi]", partial(Provider, self))
        function = generate_image.build(environment, parts=replace(world.parts, images=images))
        event = event_for("cat", idempotency_key=self.key)
        event["config"]["options"] = {"quality": self.quality}
        try:
            with suppress(GenerateImageError, KilledError):
                function(event, LocalContext())
        finally:
            self.ended = True
            world.scheduler.release()


class Provider:
    """An images API whose bill is the price bound. It often refuses, which frees the reservation."""

    def __init__(self, invocation: Invocation, *_: object, **__: object) -> None:
        self._invocation = invocation

    def buy(self, prompt: str, _: Credentials, options: Options = NO_OPTIONS) -> Purchase:
        world = self._invocation.world
        self._invocation.pause()
        outcome = world.random.random()
        if outcome < 1 / 4:
            raise world.random.choice([RateLimitedError("Too many."), ContentRejectedError("Rejected.")])
        world.billed += largest_cost_of(MODEL, prompt, "medium", options, MicroUsd(0)) or 0
        self._invocation.pause()
        if outcome < 1 / 4 + world.faults:
            raise OutcomeUnknownError("Unknown.")
        return Purchase(BoughtPicture(MODEL), 1.0, PICTURE)
