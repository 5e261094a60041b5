"""`make serve` as a command, and what its function loads."""

import os
import socket
import subprocess
import sys

import pytest

from local.http_api import ROOT


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": "src", **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_port_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        served = run("-m", "local.serve", PORT=str(taken.getsockname()[1]))

    assert served.returncode == 1
    assert "make serve PORT=8081" in served.stderr
    assert "Traceback" not in served.stderr


@pytest.mark.parametrize(("name", "value"), [("PORT", "http"), ("LATENCY", "slow")])
def test_a_value_that_is_no_number_is_told(name: str, value: str) -> None:
    served = run("-m", "local.serve", **{name: value})

    assert served.returncode == 2
    assert served.stderr.startswith("PORT must be a number")


def test_the_function_that_waits_does_not_load_what_buys() -> None:
    loaded = run("-c", "import generate_image.api, sys; print(*sys.modules)").stdout.split()

    assert "boto3" in loaded
    assert not {"requests", "generate_image.openai_images", "generate_image.download"} & set(loaded)
