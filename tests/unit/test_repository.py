"""The rules of imports and skips, and the documents that follow from the code."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from generate_image.errors import ERRORS_BY_CODE, GenerateImageError, ImageNotFoundError
from local.tables import TABLES, replaced

ROOT = Path(__file__).parents[2]
FORBIDDEN_IMPORTS = [
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


def output_of_failing(*command: str | Path, cwd: Path, **environ: str) -> str:
    """Run a command that fails, and return its standard output."""
    failed = subprocess.run(command, cwd=cwd, env=environ, capture_output=True, text=True, check=False)
    assert failed.returncode == 1, failed.stderr
    return failed.stdout


def test_lint_names_each_import_against_the_rules(tmp_path: Path) -> None:
    package = tmp_path / "src/generate_image"
    shutil.copytree(ROOT / "src/generate_image", package)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (package / "scratch.py").touch()  # a module without a layer
    for module, imported in FORBIDDEN_IMPORTS:
        with (package / f"{module.replace('.', '/')}.py").open("a") as source:
            source.write(f"import {imported}\n")

    lint = (Path(sys.executable).with_name("lint-imports"), "--no-cache")
    output = output_of_failing(*lint, cwd=tmp_path, PYTHONPATH=str(tmp_path / "src"), COLUMNS="200")
    assert "scratch" in output
    for module, imported in FORBIDDEN_IMPORTS:
        assert f"generate_image.{module} -> {imported} " in output, (module, imported)


def test_skip_counts_as_failure_on_request(tmp_path: Path) -> None:
    (tmp_path / "test_one.py").write_text("import pytest\n\ndef test_browser():\n    pytest.skip('No Chromium')\n")
    (tmp_path / "test_all.py").write_text("import pytest\n\npytest.skip('No Chromium', allow_module_level=True)\n")

    tests = (sys.executable, "-m", "pytest", "-p", "tests.skips", "--continue-on-collection-errors", tmp_path)
    output = output_of_failing(*tests, cwd=ROOT, FAIL_ON_SKIP="1", PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    assert "1 failed, 1 error in" in output


@pytest.mark.parametrize(
    ("document", "name"),
    [pytest.param(*place, marks=[pytest.mark.slow] if "faults" in place else []) for place in TABLES],
)
def test_table_follows_from_the_code(document: str, name: str) -> None:
    text = (ROOT / document).read_text("utf-8")
    assert replaced(text, name, TABLES[document, name]()) == text, "make docs writes it again"


def test_errors_are_those_of_the_code() -> None:
    errors: list[type[GenerateImageError]] = [*ERRORS_BY_CODE.values(), ImageNotFoundError]
    readme, advice = ((ROOT / name).read_text("utf-8") for name in ("README.md", "docs/bought-once.md"))
    rows = re.findall(r"^\| `(\w+Error)` \| (\d+) \| (yes|no) \|", readme, re.MULTILINE)
    assert {(code, int(status), retry == "yes") for code, status, retry in rows} == {
        (error.__name__, error.status, error.retryable) for error in errors
    }
    advised = re.findall(r"^\| `(\w+Error)` \| [^|]+ \| [^|]+ \| (?:\d{3}|does not occur)", advice, re.MULTILINE)
    assert sorted(advised) == sorted(ERRORS_BY_CODE)
