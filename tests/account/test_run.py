"""``make run``: the answer alone on standard output, the picture and the account in ``out/``."""

import json
import os
import signal
import struct
import subprocess
import sys
from collections.abc import Callable, Mapping
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
    """The end of a run."""

    status: int
    answer: dict[str, Any]
    progress: str

    @property
    def meta(self) -> Mapping[str, Any]:
        meta: Mapping[str, Any] = self.answer["_meta_"]
        return meta


Run = Callable[..., Done]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(event: Path | str | object, **environ: str) -> Done:
        path = event
        if not isinstance(event, Path | str):
            path = tmp_path / "event.json"
            path.write_text(json.dumps(event), "utf-8-sig")  # with a byte order mark, as Notepad writes it
        status = main(str(path), {"OUT": str(tmp_path / "out"), **environ})
        printed = capsys.readouterr()
        return Done(status, json.loads(printed.out or "{}"), printed.err)

    return run


def test_answer_is_printed_and_picture_is_saved(run: Run, tmp_path: Path) -> None:
    done = run(EVENTS / "direct.json")

    assert done.status == 0
    assert set(done.answer) == {"nextModule", "data", "_meta_"}
    picture = tmp_path / "out" / Path(done.meta["key"]).name
    assert struct.unpack(">II", picture.read_bytes()[16:24]) == (1024, 1024)
    assert str(picture) in done.progress
    assert "stand-in" in done.progress


def test_same_key_replays_in_the_next_run(run: Run) -> None:
    first, second = run(EVENTS / "with-key.json"), run(EVENTS / "with-key.json")

    assert [first.meta["replayed"], second.meta["replayed"]] == [False, True]
    assert first.meta["image_id"] == second.meta["image_id"]
    assert "nothing was bought now" in second.progress


def test_prompt_replaces_own_prompt(run: Run) -> None:
    prompt = "Un \"faro\" a 5 $ & 'más'"
    done = run(EVENTS / "persistent.json", PROMPT=prompt)

    assert done.meta["prompt"] == prompt
    assert done.answer["data"]["pedido"]["numero"] == 4711
    assert "data.prompt_image, persistent mode" in done.progress


def test_prompt_changes_the_key_or_is_added() -> None:
    own, cat = (read_event(str(EVENTS / "with-key.json"), prompt) for prompt in ({}, {"PROMPT": "Un gato"}))
    added = read_event(str(EVENTS / "bad" / "no-prompt.json"), {"PROMPT": "Un faro"})

    assert own["idempotency_key"] != cat["idempotency_key"]
    assert added["data"] == {"prompt_image": "Un faro"}


def test_budget_holds_across_runs(run: Run) -> None:
    """The bound of a picture is 0.0527 USD, because the fallback model is the dearest. The picture costs 0.0132 USD."""
    assert run(event_for("Un faro"), BUDGET_USD="0.06").status == 0

    with pytest.raises(BudgetExceededError, match=r"0\.0132 USD are spent and 0\.0000 USD reserved"):
        run(event_for("Un gato"), BUDGET_USD="0.06")
    assert run(event_for("Un gato"), BUDGET_USD="0.07").status == 0


def test_key_of_other_settings_is_explained(run: Run) -> None:
    run(EVENTS / "with-key.json")
    refused = run(EVENTS / "with-key.json", IMAGE_QUALITY="high")

    assert (refused.status, refused.answer) == (1, {})
    assert "make run KEY=" in refused.progress
    assert run(EVENTS / "with-key.json", IMAGE_QUALITY="high", KEY="another").status == 0


def test_real_provider_gets_real_key_and_its_own_pictures(run: Run, tmp_path: Path) -> None:
    run(EVENTS / "with-key.json")
    with StandIn(api_key="sk-of-mine") as real:
        done = run(EVENTS / "with-key.json", OPENAI_API_KEY="sk-of-mine", OPENAI_BASE_URL=real.base_url)
        assert real.ledger()["billed"] == 1
    assert "costs money" in done.progress
    for file in tmp_path.rglob("*.*"):
        assert not file.is_file() or b"sk-of-mine" not in file.read_bytes()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[]", "is a list, not an event: make batch FILE="),
        (b'"text"', "must contain a JSON object"),
        (b"{", "is not a JSON event"),
        ('{"data": "ñ"}'.encode("latin-1"), "is not UTF-8"),
    ],
)
def test_file_without_an_event_is_refused(run: Run, tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(content)

    with pytest.raises(CommandError, match=message) as refused:
        run(path)
    assert refused.value.status == 2


def test_empty_prompt_is_refused(run: Run) -> None:
    with pytest.raises(CommandError, match="PROMPT is empty"):
        run(EVENTS / "direct.json", PROMPT="   ")


def test_fields_without_effect_are_named(run: Run) -> None:
    event = event_for("Un faro")
    done = run({**event, "tenant": 1, "config": {**event["config"], "quality": "high"}})

    assert "Unknown fields without effect: tenant, config.quality." in done.progress


def test_unwritable_folder_is_refused_before_the_purchase(run: Run, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file where the folder must be")

    with pytest.raises(CommandError, match="cannot be written"):
        run(EVENTS / "direct.json")


def test_picture_that_cannot_be_saved_is_in_the_account(run: Run, tmp_path: Path) -> None:
    first = run(EVENTS / "with-key.json")
    saved = tmp_path / "out" / Path(first.meta["key"]).name
    saved.unlink()
    saved.mkdir()

    second = run(EVENTS / "with-key.json")

    assert (second.status, second.meta["replayed"]) == (1, True)
    assert f"The picture: {tmp_path / 'out' / 'account' / 'stand-in' / first.meta['key']}" in second.progress


def test_interrupt_says_what_may_be_billed(tmp_path: Path) -> None:
    requested, never = Event(), Event()

    def draw(_seconds: float) -> None:
        requested.set()
        never.wait()

    with StandIn(api_key="sk-of-mine", latency=1, sleep=draw) as real:
        environ = {"OPENAI_API_KEY": "sk-of-mine", "OPENAI_BASE_URL": real.base_url, "OUT": str(tmp_path / "out")}
        root = EVENTS.parent
        with subprocess.Popen(
            [sys.executable, "-m", "local.run", "events/with-key.json"],
            cwd=root,
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
