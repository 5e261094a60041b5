"""The artifact as `make build` makes it."""

import fcntl
import hashlib
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree

import pytest

from local.emulator import ARCHITECTURE, ROOT

BUILDS = ROOT / ".aws-sam/tests"


def make(target: str, *, checkout: Path = ROOT, umask: int = -1, **environ: str) -> None:
    """Make a target. Skips the test without Python 3.13, and fails it with make's message."""
    if subprocess.run(["make", "-C", ROOT / "src", "python313"], capture_output=True, check=False).returncode:
        pytest.skip("Python 3.13 is missing: `make build` needs it")
    command = ["make", "--silent", target]
    made = subprocess.run(
        command, cwd=checkout, env=os.environ | environ, umask=umask, capture_output=True, text=True, check=False
    )
    if made.returncode:
        pytest.fail(f"make {target}: {made.stderr.strip()}", pytrace=False)


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Keep other processes out: pytest's workers share the checkout."""
    BUILDS.mkdir(parents=True, exist_ok=True)
    with (BUILDS / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def build(architecture: str = ARCHITECTURE) -> Path:
    """Return the directory with the artifact of each function. It is built again only after a change of its sources."""
    sources = [path for path in (ROOT / "src").rglob("*") if path.is_file() and path.parent.name != "__pycache__"]
    digest = hashlib.sha256()
    for path in sorted([*sources, ROOT / "Makefile", ROOT / "template.yaml"]):
        digest.update(f"{path.relative_to(ROOT)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    directory = BUILDS / architecture / digest.hexdigest()[:16]
    with locked(architecture):
        if not (directory / "template.yaml").exists():  # SAM writes it last
            rmtree(BUILDS / architecture, ignore_errors=True)
            make("build", BUILD=str(directory), ARCHITECTURE=architecture)
    return directory
