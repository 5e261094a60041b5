"""``make batch``: totals on standard output, pictures as they come, and no loss by an interrupt."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from local.batch import main
from local.openai_stand_in import StandIn
from local.terminal import CommandError
from tests.events import EVENTS
from tests.memory_s3 import Clock

ROOT = EVENTS.parent
PROMPTS = ("Un volcán al alba", "قطة على القمر", "猫 🐈")


class Done(NamedTuple):
    """The end of a batch."""

    status: int
    totals: dict[str, Any]
    progress: str


Batch = Callable[..., Done]


@pytest.fixture
def batch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Batch:
    def batch(path: Path, **environ: str) -> Done:
        status = main(path, {"OUT": str(tmp_path / "out"), **environ})
        printed = capsys.readouterr()
        return Done(status, json.loads(printed.out or "{}"), printed.err)

    return batch


def list_of(tmp_path: Path, prompts: list[str] | tuple[str, ...]) -> Path:
    path = tmp_path / "primavera.csv"
    path.write_text("id,prompt\n" + "".join(f"n{number},{prompt}\n" for number, prompt in enumerate(prompts)), "utf-8")
    return path


def pictures(tmp_path: Path) -> set[str]:
    return {path.name for path in (tmp_path / "out" / "primavera.csv").glob("*.png")}


@contextmanager
def process_of(path: Path, tmp_path: Path, stand_in: StandIn, **environ: str) -> "Iterator[subprocess.Popen[str]]":
    """Run ``make batch`` as a process; the stand-in is its real provider, which outlives it."""
    with subprocess.Popen(
        [sys.executable, "-m", "local.batch", str(path)],
        env={
            **os.environ,
            **real(stand_in),
            **environ,
            "OUT": str(tmp_path / "out"),
            "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        yield process


def real(stand_in: StandIn) -> dict[str, str]:
    return {"OPENAI_API_KEY": stand_in.api_key, "OPENAI_BASE_URL": stand_in.base_url}


def wait_until(is_reached: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    while not is_reached():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


def interrupt(process: "subprocess.Popen[str]", number: signal.Signals) -> None:
    """Send a signal, and wait until the command reports it."""
    process.send_signal(number)
    assert process.stderr is not None
    while "Stopping." not in (line := process.stderr.readline()):
        assert line


def test_second_start_buys_only_what_is_missing(batch: Batch, tmp_path: Path) -> None:
    """Each picture has a file and a place on the contact sheet, in every script."""
    first = batch(list_of(tmp_path, [*PROMPTS, "[moderation_blocked] <b>", "[insufficient_quota] Un gato"]))
    folder = tmp_path / "out" / "primavera.csv"
    sheet = (folder / "index.html").read_text("utf-8")
    second = batch(list_of(tmp_path, [*PROMPTS, "[moderation_blocked] <b>", "Un gato"]))

    assert (first.status, first.totals["bought"]) == (1, 3)
    assert first.totals["failed"] == {"ContentRejectedError": 1, "QuotaExhaustedError": 1}
    assert "Item n3: ContentRejectedError: " in first.progress
    assert [prompt for prompt in PROMPTS if prompt in sheet] == list(PROMPTS)
    assert re.findall(r'<img src="([^"]+)"', sheet) == ["n0.png", "n1.png", "n2.png"]
    assert sheet.count("ContentRejectedError") == 1
    assert "<b>" not in sheet
    assert len((folder / "results.jsonl").read_text("utf-8").splitlines()) == 5
    assert (second.totals["bought"], second.totals["replayed"], second.totals["cost_usd"]) == (1, 3, 0.0132)
    assert pictures(tmp_path) == {"n0.png", "n1.png", "n2.png", "n4.png"}


def test_wrong_list_is_a_sentence(batch: Batch, tmp_path: Path, stand_in: StandIn) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id;prompt\n1;Un faro\n", "utf-8")

    done = batch(path, **real(stand_in))

    assert (done.status, done.totals) == (1, {})
    assert "semicolons" in done.progress
    assert stand_in.ledger()["requests"] == 0


@pytest.mark.parametrize(
    ("name", "reason"),
    [("missing.json", "no such file"), ("list.txt", "must end in"), ("directory.csv", "no such file")],
)
def test_file_that_is_no_list_is_refused(batch: Batch, tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "list.txt").touch()
    (tmp_path / "directory.csv").mkdir()

    with pytest.raises(CommandError, match=reason):
        batch(tmp_path / name)


@pytest.fixture
def drawn(stand_in: StandIn) -> threading.Semaphore:
    """The pictures that the provider may draw; each of its responses waits for one."""
    drawn = threading.Semaphore(0)
    stand_in.latency, stand_in.sleep = 1, lambda _: drawn.acquire()
    return drawn


def test_interrupted_batch_loses_no_picture(
    batch: Batch, tmp_path: Path, stand_in: StandIn, drawn: threading.Semaphore
) -> None:
    path = list_of(tmp_path, [f"Un faro número {number}" for number in range(12)])
    with process_of(path, tmp_path, stand_in) as process:
        drawn.release(4)
        wait_until(lambda: stand_in.ledger()["requests"] == 4 + 5, process)
        interrupt(process, signal.SIGINT)
        drawn.release(12)
        stdout, stderr = process.communicate(timeout=60)
    billed, paid = stand_in.ledger()["billed"], stand_in.ledger()["usd"]

    assert (process.returncode, stdout, "Traceback" in stderr) == (130, "", False)
    summary = f"{billed} of 12 pictures are in {tmp_path}/out/primavera.csv/. {billed} pictures were bought for"
    assert summary in stderr.splitlines()[-1]
    assert len(pictures(tmp_path)) == billed < 12

    done = batch(path, **real(stand_in))

    ledger = stand_in.ledger()
    assert "12 pictures of gpt-image-2.6-flare (medium) at some 0.0132 USD, together 0.16 USD" in done.progress
    assert ledger["requests"] == ledger["billed"] == 12
    assert pictures(tmp_path) == {f"n{number}.png" for number in range(12)}
    assert (done.totals["replayed"], done.totals["bought"], done.totals["failed"]) == (billed, 12 - billed, {})
    assert done.totals["cost_usd"] == pytest.approx(ledger["usd"] - paid, abs=0.001)


def test_second_interrupt_says_what_may_be_billed(
    tmp_path: Path, stand_in: StandIn, drawn: threading.Semaphore
) -> None:
    path = list_of(tmp_path, [f"Un faro número {number}" for number in range(8)])
    with process_of(path, tmp_path, stand_in) as process:
        wait_until(lambda: stand_in.ledger()["requests"] == 5, process)
        interrupt(process, signal.SIGTERM)
        process.send_signal(signal.SIGTERM)
        _, stderr = process.communicate(timeout=60)
    drawn.release(8)

    assert (process.returncode, "Traceback" in stderr) == (130, False)
    assert "up to 5 more may have been billed" in stderr


def test_batch_pricing_costs_half_and_keeps_the_pictures(batch: Batch, tmp_path: Path) -> None:
    half = batch(list_of(tmp_path, PROMPTS), PRICING="batch")
    again = batch(list_of(tmp_path, PROMPTS), PRICING="batch")

    assert (half.totals["bought"], half.totals["replayed"], len(pictures(tmp_path))) == (3, 0, 3)
    assert half.totals["cost_usd"] == half.totals["saved_usd"] == pytest.approx(3 * 0.0066, abs=0.001)
    assert (again.totals["bought"], again.totals["replayed"]) == (0, 3)
    assert "shards at the provider: 1" in half.progress


def test_interrupted_batch_at_the_provider_is_continued(batch: Batch, tmp_path: Path, stand_in: StandIn) -> None:
    stand_in.clock, stand_in.batch_seconds = (clock := Clock()), 3600
    environ = {"PRICING": "batch", "BATCH_POLL_SECONDS": "1", "NAME": "primavera.csv"}
    path = list_of(tmp_path, PROMPTS)
    with process_of(path, tmp_path, stand_in, **environ) as process:
        wait_until(lambda: bool(stand_in.batches.batches), process)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert (process.returncode, "Traceback" in stderr) == (130, False)
    clock.pass_by(3600)

    done = batch(path, **environ, **real(stand_in))

    assert (done.totals["bought"], done.totals["failed"]) == (3, {})
    assert (len(stand_in.batches.batches), stand_in.ledger()["billed"]) == (1, 3)
