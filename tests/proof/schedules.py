"""Every schedule of one or two faults in one request and its replays, and the promises that must hold in each.

A schedule is one request with three replays: one at once (the first invocation may still run), and two after the lease
has expired. Faults strike the first run and the first two replays. The last replay is undisturbed.
"""

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from generate_image.errors import ERRORS_BY_CODE, DownloadError, InternalError, OutcomeUnknownError
from generate_image.functions.generate_image import PARTS, Parts
from generate_image.money import MicroUsd, parse_usd
from tests.proof.faults import KINDS, Fault, KilledError, Kind
from tests.proof.provider import CountingProvider
from tests.proof.world import End, World

REPLAYS = 3
COST = {"base64": MicroUsd(9 * 5 + 439 * 30), "url": MicroUsd(40_000)}
"""Of the provider's picture, by its price list."""
DISTURBED = 3
"""So many invocations, of 1 + REPLAYS, can be disturbed."""


def run(
    provider: CountingProvider,
    faults: Sequence[Fault] = (),
    *,
    by_url: bool,
    environ: dict[str, str] | None = None,
    parts: Parts = PARTS,
) -> World:
    """Serve one request and replay it under these faults."""
    world = World(provider, faults, by_url=by_url, environ=environ or {}, parts=parts)
    world.invoke()
    world.invoke()
    for _ in range(REPLAYS - 1):
        world.invoke(late=True)
    return world


def violations(world: World) -> list[str]:
    """Return the broken promises of a schedule."""
    last = world.ends[-1]
    found = []
    if not world.faults and not world.ends[0].answer:
        found.append(f"nothing struck, and it ended in {world.ends[0].error!r}")
    if len(world.provider.billed) > 1:
        found.append(f"billed {len(world.provider.billed)} times")
    if not last.undisturbed and last.faults != (Kind.GONE,):
        raise AssertionError("nothing strikes the last replay, or the checks below prove nothing")
    for number, end in enumerate(world.ends):
        found += [f"invocation {number}: {problem}" for problem in _problems(end, world)]
    asked_for_url = any("GET" in end.calls for end in world.ends)
    alone = len(world.faults) == 1 and world.faults[0].kind not in {Kind.GONE, Kind.DOWN}  # DOWN: nothing could be kept
    if alone and asked_for_url and not last.answer:
        found.append(f"the picture's URL was known, and was lost: {last.error!r}")
    if world.environ.get("MONTHLY_BUDGET_USD"):
        found += _broken_budget(world)
    answers = [_lasting(end.answer) for end in world.ends if end.answer]
    if any(answer != answers[0] for answer in answers):
        found.append("two answers differ")
    return found


def _broken_budget(world: World) -> Iterator[str]:
    """Yield the broken promises of the budget, before and after open reservations are resolved."""
    limit = parse_usd(world.environ["MONTHLY_BUDGET_USD"])
    billed = COST["url" if world.by_url else "base64"] * len(world.provider.billed)
    is_disturbed = bool(world.faults)
    for moment in ("before", "after"):
        ledgers = world.ledgers()
        counted = sum(ledger.settled + ledger.reserved for ledger in ledgers)
        if counted < billed:
            yield f"{billed} is billed and {counted} is counted {moment} the reservations are resolved"
        if any(ledger.settled + ledger.reserved > limit for ledger in ledgers):
            yield f"{counted} exceeds the limit of {limit}"
        if moment == "before":
            world.resolve()
    if any(ledger.open for ledger in world.ledgers()):
        yield "a reservation is left open"
    if not is_disturbed and counted != billed:
        yield f"nothing struck, {billed} is billed and {counted} is settled"
    is_unknown = isinstance(world.ends[-1].error, OutcomeUnknownError) and billed
    if is_unknown and counted < parse_usd(world.environ["MAX_PICTURE_USD"]):
        yield f"an unknown outcome counts {counted}, and not in full"


def _problems(end: End, world: World) -> Iterator[str]:
    if end.went_on:
        yield "went on after its death"
    if end.died != isinstance(end.error, KilledError):
        yield f"died is {end.died}, and its error is {end.error!r}"
    is_named = type(end.error) is ERRORS_BY_CODE.get(type(end.error).__name__) and not isinstance(
        end.error, InternalError
    )
    if end.error and not end.died and not is_named:
        yield f"ended in {end.error!r}, which is no error of the contract"
    if end.answer:
        key = end.answer["_meta_"]["key"]
        if world.pictures().get(key) not in world.provider.billed:
            yield "the answer leads to no picture that was bought"
    if end.late and not set(end.faults) - {Kind.GONE}:
        yield from _problems_at_rest(end)


def _problems_at_rest(end: End) -> Iterator[str]:
    """Yield the broken promises where no other invocation runs and no fault strikes: the outcome must be saved."""
    if end.was_stored and not end.answer:
        yield f"the picture was in S3, and was not found: {end.error!r}"
    gone = isinstance(end.error, DownloadError) and Kind.GONE in end.faults
    if end.status not in {"stored", "failed"} and not gone:
        yield f"the record is left {end.status}"
    if not (end.answer or isinstance(end.error, OutcomeUnknownError) or gone):
        yield f"ended in {end.error!r}"


def _lasting(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of an answer that every replay repeats."""
    data = {name: value for name, value in answer["data"].items() if name not in {"imageUrl", "urlPath"}}
    fresh = {"url_expires_at", "replayed"}
    meta = {name: value for name, value in answer["_meta_"].items() if name not in fresh}
    return {**answer, "data": data, "_meta_": meta}


@dataclass
class Report:
    """The result of many schedules. ends: the number of schedules by the end of their last replay."""

    schedules: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    def add(self, world: World) -> None:
        self.schedules += 1
        last = world.ends[-1]
        self.ends["picture" if last.answer else type(last.error).__name__] += 1
        faults = "; ".join(f"{fault.invocation}.{fault.position} {fault.kind}" for fault in world.faults)
        self.violations += [f"[{faults}] {violation}" for violation in violations(world)]


def check(
    provider: CountingProvider,
    *,
    by_url: bool,
    sample: int | None = None,
    environ: dict[str, str] | None = None,
    parts: Parts = PARTS,
) -> Report:
    """Run every schedule with one fault, and pairs of faults.

    sample: the number of pairs to draw, with a fixed seed; None for all pairs, 0 for none.
    """

    def ran(*faults: Fault) -> World:
        world = run(provider, faults, by_url=by_url, environ=environ, parts=parts)
        report.add(world)
        return world

    report = Report()
    pairs = []
    for first in following(ran(), None):
        world = ran(first)
        pairs += [(first, second) for second in following(world, first)]
    if sample is not None:
        pairs = random.Random(sample).sample(pairs, sample)
    for pair in pairs:
        ran(*pair)
    return report


def following(world: World, after: Fault | None) -> Iterator[Fault]:
    """Yield every fault that can strike a call of this world after ``after``."""
    for invocation, end in enumerate(world.ends[:DISTURBED]):
        for position, name in enumerate(end.calls):
            here = (invocation, position)
            if after and here < (after.invocation, after.position + (after.kind is not Kind.UNREACHABLE)):
                continue
            for kind in KINDS[name]:
                yield Fault(*here, kind)
