"""openapi.yaml passes third-party linters, and clients that are generated from it compile and work."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
import requests

from local.account import Account
from local.http_api import http_api
from local.openai_stand_in import StandIn
from local.web_server import web_server

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("npm") is None, reason="make test-all needs npm for the generated clients"),
]
HERE = Path(__file__).parent
CONTRACT = HERE.parents[1] / "openapi.yaml"
PACKAGES_OF = "2026-11-20"
COMPILER_OPTIONS = "--strict --target es2022 --module nodenext --moduleResolution nodenext --skipLibCheck --types node"


def run(*command: str | Path, cwd: Path, **environ: str) -> str:
    """Run a command and return its output. A failure shows all of its output."""
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env={**os.environ, **environ}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the npm packages, and the TypeScript types of the contract."""
    folder = tmp_path_factory.mktemp("clients")
    for name in ("package.json", "client.ts"):
        shutil.copy(HERE / name, folder)
    # The date pins what the packages depend on. A lock of 273 packages would pin the same in 3,600 lines.
    run("npm", "install", f"--before={PACKAGES_OF}", "--ignore-scripts", "--no-audit", "--no-fund", cwd=folder)
    run("npx", "openapi-typescript", CONTRACT, "--output", "api.d.ts", cwd=folder)
    return folder


@pytest.fixture
def api(account: Account, stand_in: StandIn) -> Iterator[str]:
    """The URL of an HTTP API."""
    account.create_secret({"apiKey": stand_in.api_key})
    settings = account.settings | {"OPENAI_BASE_URL": stand_in.base_url}
    with http_api(account, settings, StringIO(), sleep=lambda _: None) as gateway, web_server(gateway) as url:
        yield url


def assert_works(report: str, stand_in: StandIn) -> None:
    """Check the report of a client: a replay of its purchase, with its own data, and a typed error."""
    link, order, model, code = json.loads(report)
    assert requests.get(link, timeout=10).content.startswith(b"\x89PNG")
    assert (order, model, code) == ({"numero": 4711}, "gpt-image-2.6-flare", "CredentialsError")
    assert stand_in.ledger()["requests"] == 1


def test_linters_find_no_error(tools: Path) -> None:
    run("npx", "redocly", "lint", CONTRACT, cwd=tools, REDOCLY_TELEMETRY="off")
    (tools / "spectral.yaml").write_text('extends: ["spectral:oas"]\n')
    run("npx", "spectral", "lint", "--ruleset", "spectral.yaml", "--fail-severity", "warn", CONTRACT, cwd=tools)


def test_typescript_client_works(tools: Path, api: str, stand_in: StandIn) -> None:
    run("npx", "tsc", *COMPILER_OPTIONS.split(), "client.ts", cwd=tools)

    assert_works(run("node", "client.js", api, cwd=tools), stand_in)


def test_python_client_works(tmp_path: Path, api: str, stand_in: StandIn) -> None:
    (tmp_path / "config.yaml").write_text("post_hooks: []\n")
    generate = [sys.executable, "-m", "openapi_python_client", "generate", "--path", str(CONTRACT), "--meta", "none"]
    run(*generate, "--config", "config.yaml", "--output-path", "api_client", "--fail-on-warning", cwd=tmp_path)

    assert_works(run(sys.executable, HERE / "client.py", api, cwd=tmp_path, PYTHONPATH=str(tmp_path)), stand_in)
