"""Peak memory of a new environment that serves a few pictures of one size."""

from typing import Any

from benchmarks.artifacts import FLOOR, OPENAI, OURS, Artifact
from benchmarks.environment import environment, quartiles
from benchmarks.services import MODEL, MODEL_BY_URL, Services
from generate_image.picture import LARGEST_BYTES

MEGABYTE = 1_000_000
SIZES = {"3 MB": 3 * MEGABYTE, "largest": LARGEST_BYTES - MEGABYTE}
"""The stand-in pads a picture to about these bytes."""
INVOCATIONS = 3
ROUNDS_SHARE = 3
"""Memory varies less than time, so every third round is enough."""


def measure(services: Services, rounds: int) -> dict[str, Any]:
    """Return the peaks in megabytes, by picture and artifact."""
    peaks = {}
    for model, artifacts in {MODEL: (OURS, FLOOR, OPENAI), MODEL_BY_URL: (OURS, FLOOR)}.items():
        for size, picture_bytes in SIZES.items():
            services.reset(picture_bytes=picture_bytes)
            form = "by URL" if model == MODEL_BY_URL else "in base64"
            peaks[f"{size} {form}"] = {
                artifact.name: _peaks(artifact, services, model, rounds) for artifact in artifacts
            }
    return peaks


def _peaks(artifact: Artifact, services: Services, model: str, rounds: int) -> list[float]:
    return quartiles([_peak(artifact, services, model) for _ in range(max(2, rounds // ROUNDS_SHARE))], 1)


def _peak(artifact: Artifact, services: Services, model: str) -> float:
    with environment(artifact, services, {"IMAGE_MODELS": model}) as fresh:
        for _ in range(INVOCATIONS):
            fresh.picture("a picture")
        return fresh.peak_bytes / MEGABYTE
