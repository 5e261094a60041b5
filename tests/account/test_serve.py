"""``make serve`` as a process: one address, one folder, an end by SIGTERM."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from werkzeug import Request, Response

from local.loopback import serving
from local.notifications import SECRET_HEADER
from local.serve import main
from local.terminal import CommandError
from tests.events import EVENTS

ORIGIN = "http://localhost:5173"


def test_sigterm_ends_it_with_a_sentence(tmp_path: Path) -> None:
    secrets = []

    @Request.application
    def receive(request: Request) -> Response:
        secrets.append(request.headers[SECRET_HEADER])
        return Response(status=204)

    environ = {"PYTHONPATH": "src", "OUT": str(tmp_path), "PORT": "0", "LATENCY": "0", "CORS_ORIGINS": f" {ORIGIN},"}
    with (
        serving(receive, 0) as receiver,
        subprocess.Popen(
            [sys.executable, "-m", "local.serve"],
            cwd=EVENTS.parent,
            env={
                **os.environ,
                **environ,
                "WEBHOOK_URL": f"http://127.0.0.1:{receiver.port}/pictures",
                "WEBHOOK_SECRET": "a long random text",
            },
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        try:
            assert process.stderr is not None
            url = next(found[1] for line in process.stderr if (found := re.match(r"(http://\S+)/: the page", line)))
            event = {"config": {"credentials_id": "credencial-openai", "prompt": "Un faro"}}
            headers = {"Idempotency-Key": "pedido-1", "Origin": ORIGIN}
            bought = requests.post(f"{url}/clients/1/images", json=event, headers=headers, timeout=60)
            picture = requests.get(bought.json()["data"]["urlPath"], timeout=60)
            with pytest.raises(CommandError, match="Another command uses"):
                main({"OUT": str(tmp_path), "PORT": "0"})
            process.send_signal(signal.SIGTERM)
            _, stderr = process.communicate(timeout=60)
        finally:
            process.kill()

    assert (bought.status_code, picture.content[:4]) == (200, b"\x89PNG")
    assert bought.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert process.returncode == 0
    assert "Ended. 1 picture was bought for 0.0132 USD." in stderr
    assert secrets == ["a long random text"]
    assert len(re.findall(r"^Webhook: temporal/cli_1/.+\.png delivered", stderr, re.MULTILINE)) == 1
    assert "Traceback" not in stderr
    assert list((tmp_path / "account" / "stand-in" / "temporal" / "cli_1").glob("*.png"))


def test_port_in_use_is_a_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(CommandError, match="make serve PORT=8081"):
        main({"OUT": str(tmp_path), "PORT": str(taken.getsockname()[1])})


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("PORT", "99999", "PORT must be a number"),
        ("PORT", "abc", "PORT must be a number"),
        ("LATENCY", "nan", "LATENCY must be a number"),
        ("CORS_ORIGINS", "*", "CORS_ORIGINS must list origins"),
    ],
)
def test_wrong_variable_is_refused(tmp_path: Path, name: str, value: str, message: str) -> None:
    with pytest.raises(CommandError, match=message):
        main({"OUT": str(tmp_path), name: value})
