"""The artifacts' size, zipped as they are uploaded, and what is in them."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.artifacts import (
    FLOOR,
    LANGCHAIN_AS_BUILT,
    LITELLM_AS_BUILT,
    OPENAI,
    OPENAI_AS_BUILT,
    OURS,
    zipped_bytes,
)

ARTIFACTS = (OURS, FLOOR, OPENAI, OPENAI_AS_BUILT, LITELLM_AS_BUILT, LANGCHAIN_AS_BUILT)


def measure() -> dict[str, Any]:
    """Return the zipped bytes of the artifacts, by top-level package."""
    with ThreadPoolExecutor() as pool:
        sizes = pool.map(zipped_bytes, [artifact.directory for artifact in ARTIFACTS])
    return {artifact.name: size for artifact, size in zip(ARTIFACTS, sizes, strict=True)}
