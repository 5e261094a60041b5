"""The artifact: the functions' code and dependencies, for their own platform, compiled, and reproducible."""

import hashlib
import os
import shutil
import struct
from pathlib import Path

import pytest

from local.emulator import ARCHITECTURE, ROOT
from tests.artifact.build import build, make

pytestmark = pytest.mark.slow

MEGABYTE = 1024 * 1024
ELF_MACHINES = {"x86_64": 62, "arm64": 183}  # EM_X86_64, EM_AARCH64
PYTHON_313 = 3571  # the magic number of its bytecode
UNCHECKED_HASH = 0b01  # a .pyc whose source Python does not check: PEP 552


def files(directory: Path) -> dict[Path, tuple[int, float, str]]:
    """Return mode, date and digest of each file. `sam local` mounts them, and packers keep them."""
    found = {}
    for path in directory.rglob("*"):
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[path.relative_to(directory)] = path.stat().st_mode, path.stat().st_mtime, digest
    return found


def test_each_function_has_the_same_files_and_their_bytecode(artifact: Path, tmp_path: Path) -> None:
    archive = Path(shutil.make_archive(f"{tmp_path}/package", "zip", artifact))

    assert all(files(directory) == files(artifact) for directory in artifact.parent.glob("*Function"))
    for pattern in ("*.dist-info", "tests", "test_*", "examples*"):
        assert list(artifact.rglob(pattern)) == []
    assert archive.stat().st_size < 6 * MEGABYTE
    assert sum(path.stat().st_size for path in artifact.rglob("*") if path.is_file()) < 20 * MEGABYTE
    bytecode = set(artifact.parent.rglob("*.pyc"))
    assert bytecode == {
        path.parent / "__pycache__" / f"{path.stem}.cpython-313.pyc" for path in artifact.parent.rglob("*.py")
    }
    for path in bytecode:
        assert struct.unpack_from("<H2xI", path.read_bytes()) == (PYTHON_313, UNCHECKED_HASH), path


@pytest.mark.parametrize("architecture", ELF_MACHINES)
def test_libraries_are_built_for_the_architecture(architecture: str) -> None:
    libraries = list(build(architecture).rglob("*.so"))
    machines = {struct.unpack_from("<H", library.read_bytes(), 18)[0] for library in libraries}

    assert machines == {ELF_MACHINES[architecture]}


def test_another_checkout_builds_the_same_bytes(artifact: Path, tmp_path: Path) -> None:
    checkout = tmp_path / "another checkout"
    shutil.copytree(ROOT, checkout, ignore=shutil.ignore_patterns(".*", "out", "__pycache__", "node_modules"))
    for environment in (".venv-sam", ".venv-uv"):
        (checkout / environment).symlink_to(ROOT / environment)
    for path in (checkout / "src").rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    (checkout / "src/generate_image/__pycache__").mkdir()
    (checkout / "src/generate_image/__pycache__/errors.cpython-313.pyc").write_bytes(b"from an earlier build")

    make("build", checkout=checkout, umask=0o077, PYTHONHASHSEED="1", ARCHITECTURE=ARCHITECTURE)

    for directory in (path for path in artifact.parent.iterdir() if path.is_dir()):
        assert files(directory) == files(checkout / ".aws-sam/build" / directory.name)
