"""The artifact as `make build` makes it, and as `sam deploy` uploads it."""

import hashlib
import os
import platform
import subprocess
import zipfile
from collections.abc import Mapping
from pathlib import Path
from shutil import rmtree

import pytest

ROOT = Path(__file__).parents[2]
ARCHITECTURE = "arm64" if platform.machine() in {"aarch64", "arm64"} else "x86_64"
"""This machine's own: the only one whose artifact runs here."""
FUNCTION = "GenerateImageFunction"


def make(target: str, *, checkout: Path = ROOT, umask: int = -1, **environ: str) -> None:
    """Make a target, or fail with what make said."""
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


def build(architecture: str = ARCHITECTURE) -> Path:
    """Return the artifact's directory, built again only when something that it is made of has changed."""
    builds = ROOT / ".aws-sam/tests" / architecture
    directory = builds / _digest_of_sources()
    if not (directory / "template.yaml").exists():  # SAM writes it last
        rmtree(builds, ignore_errors=True)
        make("build", BUILD=str(directory), ARCHITECTURE=architecture)
    return directory / FUNCTION


def _digest_of_sources() -> str:
    digest = hashlib.sha256()
    sources = [path for path in (ROOT / "src").rglob("*") if path.is_file() and path.parent.name != "__pycache__"]
    for path in sorted([*sources, ROOT / "Makefile", ROOT / "template.yaml"]):
        digest.update(f"{path.relative_to(ROOT)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()[:16]


_ZIP = """
import sys
from samcli.lib.package.utils import make_zip_with_lambda_permissions, zip_folder
with zip_folder(sys.argv[1], make_zip_with_lambda_permissions) as (path, digest):
    with open(path, "rb") as made, open(sys.argv[2], "wb") as kept:
        kept.write(made.read())
    print(digest)
"""


def package(artifact: Path, into: Path) -> str:
    """Zip an artifact with the code that `sam deploy` zips with; return the digest that names what it uploads."""
    command: list[str | Path] = [ROOT / ".venv-sam/bin/python", "-c", _ZIP, artifact, into]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def entries(package: Path) -> Mapping[str, tuple[bytes, object, int]]:
    """Return what a package holds: content, date and mode of each file."""
    with zipfile.ZipFile(package) as archive:
        return {
            entry.filename: (archive.read(entry), entry.date_time, entry.external_attr) for entry in archive.infolist()
        }
