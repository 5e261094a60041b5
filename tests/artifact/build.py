"""The artifact as `make build` makes it, and the package that `sam deploy` makes of it."""

import fcntl
import hashlib
import os
import subprocess
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree

import pytest

from local.emulator import ARCHITECTURE, ROOT
from local.expand_template import parse_template

BUILDS = ROOT / ".aws-sam/tests"


def make(target: str, *, checkout: Path = ROOT, umask: int = -1, **environ: str) -> None:
    """Make a target. Skips the test without Python 3.13, and fails it with make's message."""
    if subprocess.run(
        ["make", "--silent", "-C", ROOT / "src", "python313"], capture_output=True, check=False
    ).returncode:
        pytest.skip("Python 3.13 is missing: `make build` needs it")
    made = subprocess.run(
        ["make", "--silent", target],
        cwd=checkout,
        env=os.environ | environ,
        umask=umask,
        capture_output=True,
        text=True,
        check=False,
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
    with locked(architecture):
        directory = BUILDS / architecture / _digest_of_sources()
        if not (directory / "template.yaml").exists():  # SAM writes it last
            rmtree(BUILDS / architecture, ignore_errors=True)
            make("build", BUILD=str(directory), ARCHITECTURE=architecture)
    return directory


def _digest_of_sources() -> str:
    digest = hashlib.sha256()
    sources = [path for path in (ROOT / "src").rglob("*") if path.is_file() and path.parent.name != "__pycache__"]
    for path in sorted([*sources, ROOT / "Makefile", ROOT / "template.yaml"]):
        digest.update(f"{path.relative_to(ROOT)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()[:16]


def handlers() -> Mapping[str, str]:
    """Return the handler of each function in the template."""
    return {
        name: resource["Properties"]["Handler"]
        for name, resource in parse_template()["Resources"].items()
        if isinstance(resource, dict) and resource["Type"] == "AWS::Serverless::Function"
    }


_ZIP = """
import sys
from samcli.lib.package.utils import make_zip_with_lambda_permissions, zip_folder
with zip_folder(sys.argv[1], make_zip_with_lambda_permissions) as (path, digest):
    with open(path, "rb") as made, open(sys.argv[2], "wb") as kept:
        kept.write(made.read())
    print(digest)
"""


def package(artifact: Path, into: Path) -> str:
    """Zip an artifact with the code of `sam deploy`; return the digest that names the upload."""
    command: list[str | Path] = [ROOT / ".venv-sam/bin/python", "-c", _ZIP, artifact, into]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def entries(package: Path) -> Mapping[str, tuple[bytes, object, int]]:
    """Return content, date and mode of each file in a package."""
    with zipfile.ZipFile(package) as archive:
        return {
            entry.filename: (archive.read(entry), entry.date_time, entry.external_attr) for entry in archive.infolist()
        }
