"""Every schedule of one or two faults in a world, and the promises that are broken in each."""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from tests.proof.faults import KINDS, Fault, Kind
from tests.proof.world import World


@dataclass
class Report:
    """The result of many schedules. ends: the results by their kind."""

    schedules: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    def add(self, world: World) -> None:
        self.schedules += 1
        self.ends += world.results()
        faults = "; ".join(f"{fault.invocation}.{fault.position} {fault.kind}" for fault in world.faults)
        self.violations += [f"[{faults}] {violation}" for violation in world.violations()]

    def __str__(self) -> str:
        ends = ", ".join(f"{count:,} in {end}" for end, count in sorted(self.ends.items()))
        return f"{self.schedules:,} schedules: {ends}"


def check(run: Callable[[Sequence[Fault]], World], sample: int | None = None) -> Report:
    """Run every schedule with one fault, and pairs of faults. run: returns a world after its execution.

    sample: the number of pairs to draw, with a fixed seed; None for all pairs, 0 for none.
    """

    def ran(*faults: Fault) -> World:
        world = run(faults)
        report.add(world)
        return world

    report = Report()
    pairs = []
    for first in following(ran(), None):
        world = ran(first)
        if sample != 0:
            pairs += [(first, second) for second in following(world, first)]
    if sample is not None:
        pairs = random.Random(sample).sample(pairs, sample)
    for pair in pairs:
        ran(*pair)
    return report


def following(world: World, after: Fault | None) -> Iterator[Fault]:
    """Yield every fault that can strike a call of this world after ``after``."""
    for invocation, end in enumerate(world.ends[: world.disturbed]):
        for position, name in enumerate(end.calls):
            here = (invocation, position)
            if after and here < (after.invocation, after.position + (after.kind is not Kind.UNREACHABLE)):
                continue
            for kind in KINDS[name]:
                yield Fault(*here, kind)
