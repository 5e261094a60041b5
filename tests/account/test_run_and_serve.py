"""``make run`` and ``make serve``: the answer alone on standard output, the picture and the account in ``out/``."""

import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import requests

from generate_image.errors import BudgetExceededError
from local import run as run_module
from local import serve
from local.notifications import SECRET_HEADER
from local.openai_stand_in import StandIn
from local.run import read_event
from local.terminal import CommandError
from tests.events import EVENTS, event_for
from tests.provider_server import ProviderServer, respond

ORIGIN = "http://localhost:5173"


Run = Callable[..., tuple[int, dict[str, Any], str]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run an event. The result is the exit status, the answer and the lines of standard error."""

    def run(event: str, **environ: str) -> tuple[int, dict[str, Any], str]:
        status = run_module.main(str(EVENTS / f"{event}.json"), {"OUT": str(tmp_path / "out"), **environ})
        printed = capsys.readouterr()
        return status, json.loads(printed.out or "{}"), printed.err

    return run


def start(*command: str, **environ: str) -> subprocess.Popen[str]:
    """Start a command of ``local`` as a process."""
    return subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=EVENTS.parent,
        env={**os.environ, "PYTHONPATH": "src", **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_picture_is_saved_and_replayed_in_the_next_run(run: Run, tmp_path: Path) -> None:
    status, answer, progress = run("with-key")
    meta = answer["_meta_"]
    picture = tmp_path / "out" / Path(meta["key"]).name
    assert (status, meta["replayed"]) == (0, False)
    assert struct.unpack(">II", picture.read_bytes()[16:24]) == (1024, 1024)
    assert f"The picture: {picture}." in progress
    assert "the stand-in on this machine" in progress
    assert "Bought one picture of gpt-image-2.6-flare for 0.0132 USD" in progress

    picture.unlink()
    picture.mkdir()
    status, answer, progress = run("with-key")
    assert (status, answer["_meta_"]["replayed"]) == (1, True)
    assert "nothing was bought now" in progress
    assert f"The picture: {tmp_path / 'out' / 'account' / 'stand-in' / meta['key']}" in progress


def test_prompt_and_key_replace_those_of_the_event(capsys: pytest.CaptureFixture[str]) -> None:
    own = read_event(str(EVENTS / "with-key.json"), {})
    cat = read_event(str(EVENTS / "with-key.json"), {"PROMPT": "Un gato"})
    prompt = "Un \"faro\" a 5 $ & 'más'"
    keyed = read_event(str(EVENTS / "persistent.json"), {"PROMPT": prompt, "KEY": "mine"})

    assert own["idempotency_key"] != cat["idempotency_key"]
    assert cat["data"]["prompt"] == "Un gato"
    assert (keyed["data"]["prompt_image"], keyed["idempotency_key"]) == (prompt, "mine")
    assert f'Prompt: "{prompt}" (from data.prompt_image, persistent mode)' in capsys.readouterr().err


def test_fields_without_effect_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    event = event_for("Un faro")
    event = {**event, "tenant": 1, "config": {**event["config"], "quality": "high"}}
    (tmp_path / "event.json").write_text(json.dumps(event), "utf-8-sig")  # with a byte order mark, as Notepad does

    assert read_event(str(tmp_path / "event.json"), {}) == event
    progress = capsys.readouterr().err
    assert "Unknown fields without effect: tenant, config.quality." in progress
    assert "no idempotency_key, so every run buys another picture" in progress


@pytest.mark.parametrize(
    ("content", "environ", "message"),
    [
        (b"[]", {}, "is a list, not an event: make batch FILE="),
        (b"{", {}, "is not a JSON event"),
        ('{"data": "ñ"}'.encode("latin-1"), {}, "is not UTF-8"),
        (b"{}", {"PROMPT": "  "}, "PROMPT is empty"),
    ],
)
def test_wrong_event_is_a_sentence(tmp_path: Path, content: bytes, environ: dict[str, str], message: str) -> None:
    (tmp_path / "file.json").write_bytes(content)

    with pytest.raises(CommandError, match=message):
        read_event(str(tmp_path / "file.json"), environ)


def test_budget_holds_across_runs(run: Run) -> None:
    """The bound of a picture is 0.0527 USD, because the fallback model is the dearest. The picture costs 0.0132 USD."""
    assert run("minimal", BUDGET_USD="0.06")[0] == 0

    with pytest.raises(BudgetExceededError, match=r"0\.0132 USD are spent and 0\.0000 USD reserved"):
        run("minimal", PROMPT="Un gato", BUDGET_USD="0.06")
    assert run("minimal", PROMPT="Un gato", BUDGET_USD="0.07")[0] == 0


def test_real_provider_gets_real_key_and_its_own_pictures(run: Run, tmp_path: Path) -> None:
    run("with-key")
    with StandIn(api_key="sk-of-mine") as real:
        _, _, progress = run("with-key", OPENAI_API_KEY="sk-of-mine", OPENAI_BASE_URL=real.base_url)
        assert real.ledger()["billed"] == 1
    assert "costs money" in progress
    for file in tmp_path.rglob("*.*"):
        assert not file.is_file() or b"sk-of-mine" not in file.read_bytes()


def test_unwritable_folder_is_refused_before_the_purchase(run: Run, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file where the folder must be")

    with pytest.raises(CommandError, match="cannot be written"):
        run("direct")


def test_interrupt_reports_a_possible_purchase(tmp_path: Path) -> None:
    requested, never = Event(), Event()

    def draw(_seconds: float) -> None:
        requested.set()
        never.wait()

    with StandIn(api_key="sk-of-mine", latency=1, sleep=draw) as real:
        environ = {"OPENAI_API_KEY": "sk-of-mine", "OPENAI_BASE_URL": real.base_url, "OUT": str(tmp_path / "out")}
        with start("local.run", "events/with-key.json", **environ) as process:
            assert requested.wait(60)
            process.send_signal(signal.SIGINT)
            stdout, stderr = process.communicate(timeout=60)
        never.set()

    assert (process.returncode, stdout) == (130, "")
    assert stderr.splitlines()[-1].startswith("Interrupted. 0 pictures were bought; up to 1 more may have been billed.")
    assert "Traceback" not in stderr


def test_sigterm_ends_the_server_after_its_messages(tmp_path: Path) -> None:
    with ExitStack() as stack:
        webhook = stack.enter_context(ProviderServer(respond(204, b"")))
        environ = {"OUT": str(tmp_path), "PORT": "0", "LATENCY": "0", "CORS_ORIGINS": f" {ORIGIN},"}
        environ |= {"WEBHOOK_URL": webhook.base_url, "WEBHOOK_SECRET": "a long random text"}
        process = stack.enter_context(start("local.serve", **environ))
        stack.callback(process.kill)
        assert process.stderr is not None
        url = next(found[1] for line in process.stderr if (found := re.match(r"(http://\S+)/: the page", line)))
        event = {"config": {"credentials_id": "credencial-openai", "prompt": "Un faro"}}
        headers = {"Idempotency-Key": "pedido-1", "Origin": ORIGIN}
        bought = requests.post(f"{url}/clients/1/images", json=event, headers=headers, timeout=60)
        picture = requests.get(bought.json()["data"]["urlPath"], timeout=60)
        with pytest.raises(CommandError, match="Another command uses"):
            serve.main({"OUT": str(tmp_path), "PORT": "0"})
        process.send_signal(signal.SIGTERM)
        _, stderr = process.communicate(timeout=60)

    assert (bought.status_code, picture.content[:4]) == (200, b"\x89PNG")
    assert bought.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert process.returncode == 0
    assert "Ended. 1 picture was bought for 0.0132 USD." in stderr
    assert [request.headers[SECRET_HEADER.lower()] for request in webhook.requests] == ["a long random text"]
    assert len(re.findall(r"^Webhook: temporal/cli_1/.+\.png delivered", stderr, re.MULTILINE)) == 1
    assert "Traceback" not in stderr
    assert list((tmp_path / "account" / "stand-in" / "temporal" / "cli_1").glob("*.png"))


def test_port_in_use_is_a_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(CommandError, match="make serve PORT=8081"):
        serve.main({"OUT": str(tmp_path), "PORT": str(taken.getsockname()[1])})


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("PORT", "99999", "PORT must be a number"),
        ("LATENCY", "nan", "LATENCY must be a number"),
        ("CORS_ORIGINS", "*", "CORS_ORIGINS must list origins"),
        ("WEBHOOK_URL", "127.0.0.1:9000", "WEBHOOK_URL must be a URL"),
    ],
)
def test_wrong_variable_is_refused(tmp_path: Path, name: str, value: str, message: str) -> None:
    with pytest.raises(CommandError, match=message):
        serve.main({"OUT": str(tmp_path), "PORT": "0", name: value})
