"""``make run``: the answer alone on standard output, the picture and the account in ``out/``."""

import json
import os
import signal
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any, NamedTuple

import pytest

from generate_image.errors import BudgetExceededError
from local.openai_stand_in import StandIn
from local.run import main, read_event
from local.terminal import CommandError
from tests.events import EVENTS, event_for


class Done(NamedTuple):
    status: int
    answer: dict[str, Any]
    progress: str


Run = Callable[..., Done]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(event: str, **environ: str) -> Done:
        status = main(str(EVENTS / f"{event}.json"), {"OUT": str(tmp_path / "out"), **environ})
        printed = capsys.readouterr()
        return Done(status, json.loads(printed.out or "{}"), printed.err)

    return run


def test_picture_is_saved_and_replayed_in_the_next_run(run: Run, tmp_path: Path) -> None:
    done = run("with-key")

    meta = done.answer["_meta_"]
    picture = tmp_path / "out" / Path(meta["key"]).name
    assert (done.status, meta["replayed"]) == (0, False)
    assert struct.unpack(">II", picture.read_bytes()[16:24]) == (1024, 1024)
    assert f"The picture: {picture}." in done.progress
    assert "the stand-in on this machine" in done.progress
    assert "Bought one picture of gpt-image-2.6-flare for 0.0132 USD" in done.progress

    picture.unlink()
    picture.mkdir()
    again = run("with-key")
    assert (again.status, again.answer["_meta_"]["replayed"]) == (1, True)
    assert "nothing was bought now" in again.progress
    assert f"The picture: {tmp_path / 'out' / 'account' / 'stand-in' / meta['key']}" in again.progress


def test_prompt_and_key_replace_those_of_the_event(capsys: pytest.CaptureFixture[str]) -> None:
    own, cat, keyed = (
        read_event(str(EVENTS / "with-key.json"), environ) for environ in ({}, {"PROMPT": "Un gato"}, {"KEY": "mine"})
    )
    prompt = "Un \"faro\" a 5 $ & 'más'"
    persistent = read_event(str(EVENTS / "persistent.json"), {"PROMPT": prompt})

    assert own["idempotency_key"] != cat["idempotency_key"]
    assert (cat["data"]["prompt"], keyed["idempotency_key"]) == ("Un gato", "mine")
    assert persistent["data"]["prompt_image"] == prompt
    assert read_event(str(EVENTS / "bad" / "no-prompt.json"), {"PROMPT": prompt})["data"] == {"prompt_image": prompt}
    assert f'Prompt: "{prompt}" (from data.prompt_image, persistent mode)' in capsys.readouterr().err


def test_fields_without_effect_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    event, path = event_for("Un faro"), tmp_path / "event.json"
    event = {**event, "tenant": 1, "config": {**event["config"], "quality": "high"}}
    path.write_text(json.dumps(event), "utf-8-sig")  # with a byte order mark, as Notepad writes it

    assert read_event(str(path), {}) == event
    progress = capsys.readouterr().err
    assert "Unknown fields without effect: tenant, config.quality." in progress
    assert "no idempotency_key, so every run buys another picture" in progress


def test_budget_holds_across_runs(run: Run) -> None:
    """The bound of a picture is 0.0527 USD, because the fallback model is the dearest. The picture costs 0.0132 USD."""
    assert run("minimal", BUDGET_USD="0.06").status == 0

    with pytest.raises(BudgetExceededError, match=r"0\.0132 USD are spent and 0\.0000 USD reserved"):
        run("minimal", PROMPT="Un gato", BUDGET_USD="0.06")
    assert run("minimal", PROMPT="Un gato", BUDGET_USD="0.07").status == 0


def test_key_of_other_settings_is_explained(run: Run) -> None:
    run("with-key")
    refused = run("with-key", IMAGE_QUALITY="high")

    assert (refused.status, refused.answer) == (1, {})
    assert "make run KEY=" in refused.progress


def test_real_provider_gets_real_key_and_its_own_pictures(run: Run, tmp_path: Path) -> None:
    run("with-key")
    with StandIn(api_key="sk-of-mine") as real:
        done = run("with-key", OPENAI_API_KEY="sk-of-mine", OPENAI_BASE_URL=real.base_url)
        assert real.ledger()["billed"] == 1
    assert "costs money" in done.progress
    for file in tmp_path.rglob("*.*"):
        assert not file.is_file() or b"sk-of-mine" not in file.read_bytes()


@pytest.mark.parametrize(
    ("content", "environ", "message"),
    [
        (b"[]", {}, "is a list, not an event: make batch FILE="),
        (b'"text"', {}, "must contain a JSON object"),
        (b"{", {}, "is not a JSON event"),
        ('{"data": "ñ"}'.encode("latin-1"), {}, "is not UTF-8"),
        (None, {}, "no such file with an event"),
        (b"{}", {"PROMPT": "  "}, "PROMPT is empty"),
    ],
)
def test_wrong_event_is_a_sentence(
    tmp_path: Path, content: bytes | None, environ: dict[str, str], message: str
) -> None:
    path = tmp_path / "file.json"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(CommandError, match=message):
        read_event(str(path), environ)


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
        with subprocess.Popen(
            [sys.executable, "-m", "local.run", "events/with-key.json"],
            cwd=EVENTS.parent,
            env={**os.environ, **environ, "PYTHONPATH": "src"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert requested.wait(60)
            process.send_signal(signal.SIGINT)
            stdout, stderr = process.communicate(timeout=60)
        never.set()

    assert (process.returncode, stdout) == (130, "")
    assert stderr.splitlines()[-1].startswith("Interrupted. 0 pictures were bought; up to 1 more may have been billed.")
    assert "Traceback" not in stderr
