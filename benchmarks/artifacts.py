"""What is measured: artifacts, built and packaged before the measuring begins."""

import io
import os
import shutil
import subprocess
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
BUILD = ROOT / ".aws-sam" / "benchmark"
TRIMMED = ("boto3/data", "boto3/examples", "bin")


@dataclass(frozen=True, slots=True)
class Artifact:
    """A built function. handler: its entry point, as the template names it."""

    name: str
    directory: Path
    handler: str


OURS = Artifact("ours", BUILD / "ours" / "GenerateImageFunction", "generate_image.handler.handler")
FLOOR = Artifact("floor", BUILD / "trimmed" / "Floor", "app.handler")
OPENAI_AS_BUILT = Artifact("openai SDK, as built", BUILD / "default" / "OpenaiSdk", "app.handler")
OPENAI = Artifact("openai SDK", BUILD / "trimmed" / "OpenaiSdk", "app.handler")
LITELLM_AS_BUILT = Artifact("LiteLLM, as built", BUILD / "default" / "Litellm", "app.handler")
LITELLM = Artifact("LiteLLM", BUILD / "trimmed" / "Litellm", "app.handler")
LANGCHAIN_AS_BUILT = Artifact("LangChain, as built", BUILD / "default" / "Langchain", "app.handler")
LANGCHAIN = Artifact("LangChain", BUILD / "trimmed" / "Langchain", "app.handler")
EVERY = (OURS, FLOOR, OPENAI_AS_BUILT, OPENAI, LITELLM_AS_BUILT, LITELLM, LANGCHAIN_AS_BUILT, LANGCHAIN)
"""«as built»: what `sam build` makes by default. The others are packaged as well as ours."""


def python313() -> str:
    """Return the interpreter that src/Makefile compiles with, which is the runtime's own version."""
    command = ["make", "--silent", "-C", str(ROOT / "src"), "python313"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def trim(source: Path, target: Path, python: str) -> None:
    """Package what `sam build` made by default as well as src/Makefile packages ours.

    The metadata of packages stays: some of them read their own version there.
    """
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "tests"))
    for name in TRIMMED:
        shutil.rmtree(target / name, ignore_errors=True)
    subprocess.run([python, ROOT / "src" / "trim_botocore.py", target / "botocore" / "data"], check=True)
    compiling = ["compileall", "-q", "--invalidation-mode", "unchecked-hash", "-s", ".", "-p", "/var/task", "."]
    subprocess.run(
        [python, "-m", *compiling], cwd=target, check=False, env=os.environ | {"PYTHONHASHSEED": "0"}
    )  # some packages ship templates that are no Python


def zipped_bytes(directory: Path) -> Mapping[str, int]:
    """Return what each top-level package takes of the zipped artifact, the largest first."""
    sizes: dict[str, int] = {}
    with zipfile.ZipFile(io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(directory.rglob("*")):
            if path.is_file():
                name = path.relative_to(directory)
                archive.write(path, name)
                entry = archive.getinfo(name.as_posix())
                package = name.parts[0]
                sizes[package] = sizes.get(package, 0) + entry.compress_size + 76 + 2 * len(name.as_posix())
    return dict(sorted(sizes.items(), key=lambda item: -item[1]))


def main() -> None:
    """Trim what `sam build` has just built."""
    python = python313()
    for artifact in EVERY:
        if artifact.directory.parent.name == "trimmed":
            trim(BUILD / "default" / artifact.directory.name, artifact.directory, python)


if __name__ == "__main__":
    main()
