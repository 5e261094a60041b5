"""`make lint` fails when a module imports against the layers."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")
FORBIDDEN_IMPORTS = [
    ("event", "generate_image.lease"),
    ("lease", "generate_image.generation"),
    ("generation", "generate_image.http"),
    ("generation", "generate_image.functions"),
    ("aws.pictures", "generate_image.provider"),
    ("provider.download", "generate_image.aws"),
    ("http.response", "botocore"),
    ("functions.api", "boto3"),
    ("aws.pictures", "requests"),
    ("settings", "urllib3"),
]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "src/generate_image", tmp_path / "src/generate_image")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint(checkout: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LINT_IMPORTS, "--no-cache"],
        cwd=checkout,
        env={"PYTHONPATH": str(checkout / "src"), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_lint_names_each_import_against_the_rules(checkout: Path) -> None:
    for module, imported in FORBIDDEN_IMPORTS:
        with (checkout / "src/generate_image" / f"{module.replace('.', '/')}.py").open("a") as source:
            source.write(f"import {imported}\n")

    linted = lint(checkout)

    assert linted.returncode == 1
    for module, imported in FORBIDDEN_IMPORTS:
        assert f"generate_image.{module} -> {imported} " in linted.stdout, (module, imported)


def test_lint_wants_a_layer_for_each_new_module(checkout: Path) -> None:
    (checkout / "src/generate_image/scratch.py").touch()

    linted = lint(checkout)

    assert linted.returncode == 1
    assert "scratch" in linted.stdout
