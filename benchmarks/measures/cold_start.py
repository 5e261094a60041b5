"""Cold start: the first invocation of a new environment, with a provider that responds at once."""

import time
from typing import Any

from benchmarks.artifacts import EVERY, OURS, Artifact
from benchmarks.environment import environment, quartiles
from benchmarks.services import Services

PICTURE_BYTES = 1_900_000
"""GPT image models return 1.3 to 2.3 million bytes."""


def measure(services: Services, rounds: int) -> dict[str, dict[str, Any]]:
    """Return milliseconds by artifact: the whole invocation, the start alone, CPU time. ``ratio_*``: ours to it.

    Each ratio is of two runs of the same round, so that a slow minute of the machine slows both.
    """
    services.reset(picture_bytes=PICTURE_BYTES)
    runs: dict[str, list[dict[str, float]]] = {artifact.name: [] for artifact in EVERY}
    _start(OURS, services)  # fills the page cache with the interpreter
    for number in range(rounds):
        turn = number % len(EVERY)
        for artifact in EVERY[turn:] + EVERY[:turn]:
            runs[artifact.name].append(_start(artifact, services))
    return {name: _summary(of_artifact, runs[OURS.name]) for name, of_artifact in runs.items()}


def _start(artifact: Artifact, services: Services) -> dict[str, float]:
    with environment(artifact, services) as fresh:
        started = time.perf_counter()
        fresh.picture("a picture")
        seconds = time.perf_counter() - started
        return {"ms": seconds * 1000, "init_ms": fresh.init_seconds * 1000, "cpu_ms": fresh.cpu_seconds * 1000}


def _summary(runs: list[dict[str, float]], ours: list[dict[str, float]]) -> dict[str, Any]:
    summary = {name: quartiles([run[name] for run in runs], 0) for name in ("ms", "init_ms", "cpu_ms")}
    if runs is not ours:
        for name in ("ms", "cpu_ms"):
            ratios = [our[name] / run[name] for our, run in zip(ours, runs, strict=True)]
            summary[f"ratio_{name}"] = quartiles(ratios)
    return summary
