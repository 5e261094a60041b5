"""What the function may import before it serves: each package is paid for at every cold start."""

import json
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
ENVIRONMENT = {
    "IMAGE_BUCKET": "pictures",
    "IMAGE_NAMESPACE": "6f1c8a52-3f0e-4d0a-9a0b-5a5b1e0c7d11",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "nobody",
    "AWS_SECRET_ACCESS_KEY": "nothing",
}
COLLECTIONS = """
import gc
import json
before = sum(generation["collections"] for generation in gc.get_stats())
usual = gc.get_threshold()
from generate_image import {module}
after_imports = sum(generation["collections"] for generation in gc.get_stats())
{module}.{maker}()
print(json.dumps([after_imports - before, list(gc.get_threshold()) == list(usual), gc.get_freeze_count() > 0]))
"""
LOADED = """
import sys
import generate_image.{module}
print(*{{name.partition(".")[0] for name, module in sys.modules.items() if getattr(module, "__file__", None)}})
"""


def imported(module: str) -> set[str]:
    """Return the top-level packages that a new process has once it imported a module of ours."""
    return set(printed(LOADED.format(module=module)).split())


def printed(code: str, **environ: str) -> str:
    """Return what a new process prints."""
    return subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(SOURCE), "PYTHONDONTWRITEBYTECODE": "1"} | environ,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    return imported("handler")


def test_the_handler_imports_no_package_that_is_not_pinned_for_it(loaded: set[str]) -> None:
    foreign = {name for name in loaded - set(sys.stdlib_module_names) if "__mypyc" not in name}

    assert foreign - OPTIONAL <= ALLOWED


def test_the_handler_imports_nothing_heavy(loaded: set[str]) -> None:
    assert not loaded & HEAVY


@pytest.mark.parametrize(
    ("module", "maker"), [("handler", "_handler"), ("api", "_api"), ("retirement", "_watch"), ("totals", "_s3")]
)
def test_the_garbage_collector_rests_until_the_clients_are_there(module: str, maker: str) -> None:
    code = COLLECTIONS.format(module=module, maker=maker)

    collections, as_usual_again, frozen = json.loads(printed(code, **ENVIRONMENT))

    assert collections <= 3
    assert as_usual_again
    assert frozen
