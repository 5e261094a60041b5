"""Every schedule of one or two faults in a shard of a batch, and the promises that must hold in each."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from generate_image.functions.batch_shards import PARTS, Parts
from tests.proof.batch_provider import BatchProvider
from tests.proof.faults import Fault
from tests.proof.shard_world import PROMPTS, ShardWorld, following, lost, violations

DISTURBED = 7
"""So many invocations of a child execution can be disturbed: undisturbed it has five."""


@dataclass
class Report:
    """The result of many schedules. ends: the items by their result."""

    schedules: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    def add(self, world: ShardWorld) -> None:
        self.schedules += 1
        for result in world.results:
            self.ends[result.get("Error", "picture")] += 1
        faults = "; ".join(f"{fault.invocation}.{fault.position} {fault.kind}" for fault in world.faults)
        found = [*violations(world), *lost(world)]
        self.violations += [f"[{faults}] {violation}" for violation in found]


def run(
    provider: BatchProvider,
    faults: Sequence[Fault] = (),
    *,
    prompts: Sequence[str] = PROMPTS,
    environ: dict[str, str] | None = None,
    parts: Parts = PARTS,
) -> ShardWorld:
    """Run a shard under these faults."""
    return ShardWorld(provider, faults, environ=environ or {}, prompts=prompts, shard_parts=parts).run()


def check(
    provider: BatchProvider,
    *,
    sample: int | None,
    environ: dict[str, str] | None = None,
    parts: Parts = PARTS,
    prompts: Sequence[str] = PROMPTS,
) -> Report:
    """Run every schedule with one fault, and pairs of faults.

    sample: the number of pairs to draw, with a fixed seed; None for all pairs, 0 for none.
    """

    def ran(*faults: Fault) -> ShardWorld:
        world = run(provider, faults, prompts=prompts, environ=environ, parts=parts)
        report.add(world)
        return world

    report = Report()
    pairs = []
    for first in following(ran(), None, DISTURBED):
        world = ran(first)
        if sample != 0:
            pairs += [(first, second) for second in following(world, first, DISTURBED)]
    if sample is not None:
        pairs = random.Random(sample).sample(pairs, sample)
    for pair in pairs:
        ran(*pair)
    return report
