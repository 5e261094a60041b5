"""Peak memory: the most that a new environment's runtime has resident while it serves pictures of a size."""

from typing import Any

from benchmarks.artifacts import FLOOR, OPENAI, OURS, Artifact
from benchmarks.environment import environment, event
from benchmarks.services import MODEL, MODEL_BY_URL, Services

MEGABYTE = 1_000_000
SIZES = {MODEL: (1, 3, 10, 30), MODEL_BY_URL: (1, 3, 10, 30)}
"""In megabytes; the last is close to the largest that we take."""
INVOCATIONS = 3


def measure(services: Services, rounds: int) -> list[dict[str, Any]]:
    """Return the peaks in bytes by artifact, model and size."""
    services.reset()
    rows = []
    for model, sizes in SIZES.items():
        artifacts = (OURS, FLOOR) if model == MODEL_BY_URL else (OURS, FLOOR, OPENAI)
        for megabytes in sizes:
            services.set_provider(picture_bytes=megabytes * MEGABYTE)
            peaks: dict[str, list[int]] = {artifact.name: [] for artifact in artifacts}
            for _ in range(rounds):
                for artifact in artifacts:
                    peaks[artifact.name].append(_peak(artifact, services, model))
            by_url = model == MODEL_BY_URL
            rows += [
                {"artifact": name, "by_url": by_url, "megabytes": megabytes, "peaks": of_artifact}
                for name, of_artifact in peaks.items()
            ]
    return rows


def _peak(artifact: Artifact, services: Services, model: str) -> int:
    with environment(artifact, services, {"IMAGE_MODELS": model}) as fresh:
        for _ in range(INVOCATIONS):
            answer = fresh.invoke(event("a picture"))
            if "data" not in answer:
                raise RuntimeError(f"{artifact.name}: {answer}")
        return fresh.peak_bytes
