"""What the function may import before it serves: each package is paid for at every cold start."""

import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src"
ALLOWED = {
    "generate_image",
    "aws_lambda_powertools",
    "boto3",
    "botocore",
    "certifi",
    "charset_normalizer",
    "dateutil",
    "idna",
    "jmespath",
    "requests",
    "s3transfer",
    "six",
    "typing_extensions",
    "urllib3",
}
"""What src/requirements.txt pins, all of it."""
OPTIONAL = {"brotli", "brotlicffi", "_brotli", "zstandard", "simplejson", "chardet", "socks", "h2", "_distutils_hack"}
"""What those import where it happens to be installed; the artifact has none of it."""
HEAVY = {"asyncio", "sqlite3", "unittest", "openai", "pydantic", "aws_xray_sdk", "cryptography"}
"""Slow to import, and of no use before a picture is asked for. (boto3 imports multiprocessing.)"""
LOADED = """
import sys
import generate_image.{module}
print(*{{name.partition(".")[0] for name, module in sys.modules.items() if getattr(module, "__file__", None)}})
"""


def imported(module: str) -> set[str]:
    """Return the top-level packages that a new process has once it imported a module of ours."""
    environ = {"PYTHONPATH": str(SOURCE), "PYTHONDONTWRITEBYTECODE": "1"}
    ran = subprocess.run(
        [sys.executable, "-c", LOADED.format(module=module)], env=environ, capture_output=True, text=True, check=True
    )
    return set(ran.stdout.split())


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    return imported("handler")


def test_the_handler_imports_no_package_that_is_not_pinned_for_it(loaded: set[str]) -> None:
    foreign = {name for name in loaded - set(sys.stdlib_module_names) if "__mypyc" not in name}

    assert foreign - OPTIONAL <= ALLOWED


def test_the_handler_imports_nothing_heavy(loaded: set[str]) -> None:
    assert not loaded & HEAVY
