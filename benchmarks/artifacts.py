"""The measured artifacts: ours, and the comparators as `sam build` makes them and trimmed like ours."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
BUILD = ROOT / ".aws-sam/benchmark"
TRIMMED = ("boto3/data", "boto3/examples", "bin")


@dataclass(frozen=True, slots=True)
class Artifact:
    """A built function. handler: as in its template."""

    name: str
    directory: Path
    handler: str


OURS = Artifact("ours", BUILD / "ours/GenerateImageFunction", "generate_image.functions.generate_image.handler")
FLOOR = Artifact("floor", BUILD / "trimmed/Floor", "app.handler")
OPENAI = Artifact("openai SDK", BUILD / "trimmed/OpenaiSdk", "app.handler")
OPENAI_AS_BUILT = Artifact("openai SDK, as built", BUILD / "default/OpenaiSdk", "app.handler")
EVERY = (OURS, FLOOR, OPENAI, OPENAI_AS_BUILT)
"""«as built» is the default of `sam build`. The others are compiled and trimmed like ours."""


def build() -> None:
    """Build every artifact."""
    _run("make", "--silent", "build", f"BUILD={BUILD}/ours")
    # SAM's own Python workflow takes the runtime's interpreter from PATH.
    path = f"{Path(_python313()).parent}{os.pathsep}{os.environ['PATH']}"
    template = ROOT / "benchmarks/comparators/template.yaml"
    sam = ROOT / ".venv-sam/bin/sam"
    _run(sam, "build", "--template", template, "--build-dir", BUILD / "default", PATH=path, SAM_CLI_TELEMETRY="0")
    for artifact in (FLOOR, OPENAI):
        _trim(BUILD / "default" / artifact.directory.name, artifact.directory)


def python313_version() -> str:
    """Return the version of the interpreter that compiles the artifacts and runs them."""
    command = [_python313(), "--version"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[1]


def _python313() -> str:
    command = ["make", "--silent", "-C", f"{ROOT}/src", "python313"]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    return shutil.which(found) or found


def _trim(source: Path, target: Path) -> None:
    """Package a built artifact as src/Makefile packages ours. Some packages read their metadata, so it stays."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "tests"))
    for name in TRIMMED:
        shutil.rmtree(target / name, ignore_errors=True)
    _run(_python313(), ROOT / "src/trim_botocore.py", target / "botocore/data")
    compiling = ("-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "-s", ".", "-p", "/var/task", ".")
    _run(_python313(), *compiling, cwd=target, PYTHONHASHSEED="0")


def _run(*command: str | Path, cwd: Path = ROOT, **environ: str) -> None:
    subprocess.run(command, cwd=cwd, env=os.environ | environ, stdout=sys.stderr, check=True)
