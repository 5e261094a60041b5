"""Cold start: from the first invocation of a new environment to its answer, the provider answering at once."""

from typing import Any

from benchmarks.artifacts import EVERY, OURS, Artifact
from benchmarks.environment import environment, event
from benchmarks.services import MODEL_BY_URL, Services

PICTURE_BYTES = 1_900_000
"""Of a GPT image model's picture, 1.3 to 2.3 million."""


def measure(services: Services, rounds: int) -> dict[str, Any]:
    """Return, for each artifact, the seconds of every run: whole, of the start alone, and of CPU time."""
    services.reset(picture_bytes=PICTURE_BYTES)
    runs: dict[str, dict[str, list[float]]] = {
        artifact.name: {"seconds": [], "init_seconds": [], "cpu_seconds": []} for artifact in EVERY
    }
    _start(OURS, services)  # draws the picture, and brings the interpreter into the page cache
    for number in range(rounds):
        turn = number % len(EVERY)
        for artifact in EVERY[turn:] + EVERY[:turn]:
            for name, value in _start(artifact, services).items():
                runs[artifact.name][name].append(value)
    return runs


def _start(artifact: Artifact, services: Services) -> dict[str, float]:
    # LangChain's wrapper knows pictures by URL alone.
    environ = {"IMAGE_MODELS": MODEL_BY_URL} if "LangChain" in artifact.name else {}
    with environment(artifact, services, environ) as fresh:
        answer, seconds = fresh.timed(event("a picture"))
        if "data" not in answer:
            raise RuntimeError(f"{artifact.name}: {answer}")
        return {"seconds": seconds, "init_seconds": fresh.init_seconds, "cpu_seconds": fresh.cpu_seconds}
