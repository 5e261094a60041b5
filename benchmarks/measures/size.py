"""The size of each artifact, zipped for the upload."""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.artifacts import EVERY, Artifact


def measure() -> dict[str, float]:
    """Return megabytes by artifact."""
    return {artifact.name: round(_zipped_bytes(artifact) / 1_000_000, 1) for artifact in EVERY}


def _zipped_bytes(artifact: Artifact) -> int:
    with TemporaryDirectory() as directory:
        return Path(shutil.make_archive(f"{directory}/package", "zip", artifact.directory)).stat().st_size
