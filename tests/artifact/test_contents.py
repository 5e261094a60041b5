"""What is uploaded: what the function needs, for its own platform, compiled, the same from every builder."""

import json
import os
import re
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from botocore import xform_name
from botocore.session import Session

from tests.artifact.build import ARCHITECTURE, ROOT, build, entries, make, package
from tests.template.everything import EVERYTHING
from tests.template.stack import deploy

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
UNCHECKED_HASH = 0b01  # the flags of a .pyc that is believed without a look at its source: PEP 552


@pytest.fixture(scope="module", params=["x86_64", "arm64"])
def architecture(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def test_holds_the_functions_and_what_they_import(artifact: Path) -> None:
    sources = {path.relative_to(ROOT / "src") for path in (ROOT / "src/generate_image").rglob("*")}

    assert {path.name for path in artifact.iterdir()} - {"__pycache__"} == PACKAGES
    for source in sources:
        assert "__pycache__" in source.parts or (artifact / source).exists()
    for pattern in ("*.dist-info", "tests", "test_*", "examples*"):
        assert list(artifact.rglob(pattern)) == []


def test_describes_the_operations_that_the_code_calls_and_no_other(artifact: Path) -> None:
    sources = "".join(path.read_text() for path in (ROOT / "src/generate_image").rglob("*.py"))
    called = set(re.findall(r"\.([a-z_]+)\(", sources))
    shipped = {path.name for path in (artifact / "botocore/data").iterdir() if path.is_dir()}

    assert shipped == set(re.findall(r"\bclient\(\s*\"(\w+)\"", sources))
    for service in shipped:
        [description] = (artifact / "botocore/data" / service).glob("*/service-2.json")
        of_botocore = Session().get_service_model(service).operation_names
        used = {name for name in of_botocore if xform_name(name) in called}
        assert set(json.loads(description.read_text())["operations"]) - {"HeadBucket"} == used


def test_every_module_has_bytecode_that_is_read_without_a_look_at_its_source(artifact: Path) -> None:
    sources = set(artifact.parent.rglob("*.py"))
    bytecode = set(artifact.parent.rglob("*.pyc"))

    assert {path.parent / "__pycache__" / f"{path.stem}.cpython-313.pyc" for path in sources} == bytecode
    for path in bytecode:
        [flags] = struct.unpack_from("<I", path.read_bytes(), 4)
        assert flags == UNCHECKED_HASH, path


def test_libraries_are_the_function_s_platform_s_own(architecture: str) -> None:
    libraries = list(build(architecture).parent.rglob("*.so"))

    assert libraries
    for library in libraries:
        [machine] = struct.unpack_from("<H", library.read_bytes(), 18)
        assert machine == ELF_MACHINES[architecture], library


def test_is_small(artifact: Path, tmp_path: Path) -> None:
    package(artifact, tmp_path / "package.zip")

    assert (tmp_path / "package.zip").stat().st_size < 6 * MEGABYTE
    assert sum(path.stat().st_size for path in artifact.rglob("*") if path.is_file()) < 20 * MEGABYTE


def test_is_the_same_from_another_checkout_at_another_time_by_another_builder(artifact: Path, tmp_path: Path) -> None:
    checkout = tmp_path / "another checkout"
    shutil.copytree(ROOT, checkout, ignore=shutil.ignore_patterns(".*", "out", "__pycache__", "node_modules"))
    (checkout / ".venv-sam").symlink_to(ROOT / ".venv-sam")
    for path in (checkout / "src").rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    (checkout / "src/generate_image/__pycache__").mkdir()
    (checkout / "src/generate_image/__pycache__/errors.cpython-313.pyc").write_bytes(b"left behind by another build")

    make("build", checkout=checkout, umask=0o077, PYTHONHASHSEED="1", ARCHITECTURE=ARCHITECTURE)

    for first in (path for path in artifact.parent.iterdir() if path.is_dir()):
        second = checkout / ".aws-sam/build" / first.name
        packages = tmp_path / "first.zip", tmp_path / "second.zip"
        assert package(first, packages[0]) == package(second, packages[1])
        assert entries(packages[0]) == entries(packages[1])
        assert modes_and_dates(first) == modes_and_dates(second)


def modes_and_dates(directory: Path) -> dict[Path, tuple[int, float]]:
    """Return what `sam local` mounts, and other packers keep, besides the content."""
    found = {path.relative_to(directory): path.stat() for path in directory.rglob("*")}
    return {path: (status.st_mode, status.st_mtime) for path, status in found.items()}


def test_every_function_of_the_template_gets_the_same(artifact: Path, tmp_path: Path) -> None:
    functions = deploy(**EVERYTHING).of_type("AWS::Lambda::Function")

    assert {path.name for path in artifact.parent.glob("*Function")} == functions.keys()
    assert len({package(artifact.parent / name, tmp_path / "package.zip") for name in functions}) == 1


def test_every_module_can_be_imported_from_it(artifact: Path, runtime_client: Path) -> None:
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
