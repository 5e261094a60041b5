"""`make lint` fails when a module imports against the layers."""

import shutil
import subprocess
import sys
from pathlib import Path

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


def test_lint_names_each_import_against_the_rules(tmp_path: Path) -> None:
    package = tmp_path / "src/generate_image"
    shutil.copytree(ROOT / "src/generate_image", package)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (package / "scratch.py").touch()  # a module without a layer
    for module, imported in FORBIDDEN_IMPORTS:
        with (package / f"{module.replace('.', '/')}.py").open("a") as source:
            source.write(f"import {imported}\n")

    linted = subprocess.run(
        [LINT_IMPORTS, "--no-cache"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path / "src"), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert linted.returncode == 1
    assert "scratch" in linted.stdout
    for module, imported in FORBIDDEN_IMPORTS:
        assert f"generate_image.{module} -> {imported} " in linted.stdout, (module, imported)
