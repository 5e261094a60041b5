"""The artifact: the functions' code and dependencies, for their own platform, compiled, and reproducible."""

import hashlib
import os
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from local.emulator import ARCHITECTURE, ROOT
from tests.artifact.build import build, entries, handlers, make, package

pytestmark = pytest.mark.slow

MEGABYTE = 1024 * 1024
ELF_MACHINES = {"x86_64": 62, "arm64": 183}  # EM_X86_64, EM_AARCH64
PACKAGES = {
    "aws_lambda_powertools",
    "boto3",
    "botocore",
    "certifi",
    "charset_normalizer",
    "dateutil",
    "generate_image",
    "idna",
    "jmespath",
    "requests",
    "s3transfer",
    "six.py",
    "typing_extensions.py",
    "urllib3",
}
UNCHECKED_HASH = 0b01  # a .pyc whose source Python does not check: PEP 552


@pytest.fixture(scope="module", params=["x86_64", "arm64"])
def architecture(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def test_artifact_holds_the_code_and_its_dependencies(artifact: Path) -> None:
    sources = {path.relative_to(ROOT / "src") for path in (ROOT / "src/generate_image").rglob("*")}

    assert {path.name for path in artifact.iterdir()} - {"__pycache__"} == PACKAGES
    for source in sources:
        assert "__pycache__" in source.parts or (artifact / source).exists()
    for pattern in ("*.dist-info", "tests", "test_*", "examples*"):
        assert list(artifact.rglob(pattern)) == []


def test_every_module_has_unchecked_bytecode(artifact: Path) -> None:
    sources = set(artifact.parent.rglob("*.py"))
    bytecode = set(artifact.parent.rglob("*.pyc"))

    assert {path.parent / "__pycache__" / f"{path.stem}.cpython-313.pyc" for path in sources} == bytecode
    for path in bytecode:
        [flags] = struct.unpack_from("<I", path.read_bytes(), 4)
        assert flags == UNCHECKED_HASH, path


def test_libraries_are_built_for_the_architecture(architecture: str) -> None:
    libraries = list(build(architecture).rglob("*.so"))

    assert libraries
    for library in libraries:
        [machine] = struct.unpack_from("<H", library.read_bytes(), 18)
        assert machine == ELF_MACHINES[architecture], library


def test_artifact_is_small(artifact: Path, tmp_path: Path) -> None:
    package(artifact, tmp_path / "package.zip")

    assert (tmp_path / "package.zip").stat().st_size < 6 * MEGABYTE
    assert sum(path.stat().st_size for path in artifact.rglob("*") if path.is_file()) < 20 * MEGABYTE


@pytest.mark.usefixtures("artifact")  # skips without Python 3.13
def test_build_refuses_a_package_with_another_hash(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "src", tmp_path / "src")
    (tmp_path / "src/requirements.txt").write_text(f"six==1.17.0 --hash=sha256:{'0' * 64}\n")

    build = subprocess.run(
        ["make", "build-GenerateImageFunction"],
        cwd=tmp_path / "src",
        env=os.environ | {"ARTIFACTS_DIR": str(tmp_path / "artifact")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert build.returncode == 2
    assert "DO NOT MATCH THE HASHES" in build.stderr


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

    second = checkout / ".aws-sam/build"
    for directory in (path for path in artifact.parent.iterdir() if path.is_dir()):
        assert files(directory) == files(second / directory.name)
    packages = tmp_path / "first.zip", tmp_path / "second.zip"
    assert package(artifact, packages[0]) == package(second / artifact.name, packages[1])
    assert entries(packages[0]) == entries(packages[1])


def files(directory: Path) -> dict[Path, tuple[int, float, str]]:
    """Return mode, date and digest of each file. `sam local` mounts them, and other packers keep them."""
    found = {}
    for path in directory.rglob("*"):
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[path.relative_to(directory)] = path.stat().st_mode, path.stat().st_mtime, digest
    return found


def test_all_functions_have_the_same_artifact(artifact: Path) -> None:
    functions = handlers().keys()

    assert {path.name for path in artifact.parent.glob("*Function")} == functions
    for name in functions:
        assert files(artifact.parent / name) == files(artifact)


def test_every_module_can_be_imported(artifact: Path, runtime_client: Path) -> None:
    modules = [
        ".".join(path.relative_to(artifact).with_suffix("").parts) for path in artifact.glob("generate_image/**/*.py")
    ]
    code = "import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]"

    subprocess.run(
        [runtime_client, "-W", "error", "-c", code, *modules],
        cwd=artifact,
        env={"PYTHONPATH": str(artifact), "AWS_DEFAULT_REGION": "us-east-1"},
        check=True,
    )
