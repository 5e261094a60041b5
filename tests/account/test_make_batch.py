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


@pytest.mark.parametrize(
    ("name", "status", "saved"),
    [
        ("batch.json", 1, {"faro", "gato", "puerto", "#3"}),
        ("batch.jsonl", 0, None),
        ("batch.csv", 0, None),
    ],
)
def test_example_list(batch: Batch, tmp_path: Path, name: str, status: int, saved: set[str] | None) -> None:
    done = batch(EVENTS / name)

    files = {path.stem for path in (tmp_path / "out" / name).glob("*.png")}
    assert (done.status, done.totals["bought"], len(files)) == (status, 4, 4)
    assert saved is None or files == saved
    results = (tmp_path / "out" / name / "results.jsonl").read_text("utf-8").splitlines()
    assert len(results) == done.totals["asked"]
    assert sum(done.totals["failed"].values()) == status
    assert ("(id sin-prompt)" in done.progress) == (status == 1)


def test_contact_sheet_shows_every_script(batch: Batch, tmp_path: Path) -> None:
    batch(list_of(tmp_path, [*PROMPTS, "[moderation_blocked] <b>"]))

    sheet = (tmp_path / "out" / "primavera.csv" / "index.html").read_text("utf-8")
    assert '<meta charset="utf-8">' in sheet
    for prompt in PROMPTS:
        assert prompt in sheet
    for source in re.findall(r'<img src="([^"]+)"', sheet):
        assert (tmp_path / "out" / "primavera.csv" / source).is_file()
    assert "ContentRejectedError" in sheet
    assert "<b>" not in sheet


def test_second_start_buys_only_what_is_missing(batch: Batch, tmp_path: Path) -> None:
    first = batch(list_of(tmp_path, ["Un faro", "[insufficient_quota] Un gato"]), IMAGE_QUALITY="low")
    second = batch(list_of(tmp_path, ["Un faro", "Un gato"]), IMAGE_QUALITY="low")

    assert first.totals["failed"] == {"QuotaExhaustedError": 1}
    assert (second.totals["bought"], second.totals["replayed"], second.totals["cost_usd"]) == (1, 1, 0.0059)
    assert pictures(tmp_path) == {"n0.png", "n1.png"}


def test_id_that_is_no_file_name_is_saved(batch: Batch, tmp_path: Path) -> None:
    path = tmp_path / "primavera.csv"
    path.write_text("id,prompt\n../a,Un faro\n.._a,Un gato\n", "utf-8")
    batch(path)

    assert len(pictures(tmp_path)) == 2


def test_wrong_list_is_a_sentence(batch: Batch, tmp_path: Path, stand_in: StandIn) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id;prompt\n1;Un faro\n", "utf-8")

    done = batch(path, OPENAI_API_KEY=stand_in.api_key, OPENAI_BASE_URL=stand_in.base_url)

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


def test_estimate_comes_before_the_purchase(batch: Batch, tmp_path: Path, stand_in: StandIn) -> None:
    environ = {"OPENAI_API_KEY": stand_in.api_key, "OPENAI_BASE_URL": stand_in.base_url, "IMAGE_QUALITY": "high"}
    done = batch(list_of(tmp_path, ["Un faro", "Un gato"]), **environ)

    assert "2 pictures of gpt-image-2.6-flare (high) at some 0.0527 USD, together 0.11 USD" in done.progress
    assert done.totals["cost_usd"] == pytest.approx(0.1054, abs=0.001)


class Interruptible:
    """``make batch`` as a process, and a provider that outlives it and draws a number of pictures at first."""

    def __init__(self, folder: Path, items: int) -> None:
        self.folder = folder
        self.items = items
        list_of(folder, [f"Un faro número {number}" for number in range(items)])
        self._drawn = threading.Semaphore(0)
        self.stand_in = StandIn(api_key="sk-real", latency=1, sleep=lambda _: self._drawn.acquire())

    def draw(self, number: int) -> None:
        self._drawn.release(number)

    def start(self) -> "subprocess.Popen[str]":
        real = {"OPENAI_API_KEY": "sk-real", "OPENAI_BASE_URL": self.stand_in.base_url}
        return subprocess.Popen(
            [sys.executable, "-m", "local.batch", "primavera.csv"],
            cwd=self.folder,
            env={**os.environ, **real, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_for(self, process: "subprocess.Popen[str]", *, requests: int) -> None:
        while self.stand_in.ledger()["requests"] < requests:
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)

    def interrupt_after(self, pictures: int) -> tuple[int, str]:
        """Draw some pictures, interrupt the batch, and draw those in flight. Return its status and its last line."""
        with self.start() as process:
            self.draw(pictures)
            self.wait_for(process, requests=pictures + 5)
            process.send_signal(signal.SIGINT)
            assert process.stderr is not None
            while "Stopping." not in (line := process.stderr.readline()):
                assert line
            self.draw(self.items)
            stdout, stderr = process.communicate(timeout=60)
        assert stdout == ""
        assert "Traceback" not in stderr
        return process.returncode, stderr.splitlines()[-1]

    def finish(self) -> dict[str, Any]:
        self.draw(self.items)
        with self.start() as process:
            stdout, stderr = process.communicate(timeout=240)
        assert process.returncode == 0, stderr
        totals: dict[str, Any] = json.loads(stdout)
        return totals


@pytest.fixture
def interruptible(tmp_path: Path) -> Iterator[Callable[[int], Interruptible]]:
    started = []

    def start(items: int) -> Interruptible:
        started.append(Interruptible(tmp_path, items))
        started[-1].stand_in.__enter__()
        return started[-1]

    yield start
    for batch in started:
        batch.stand_in.__exit__()


@pytest.mark.parametrize(("items", "pictures_before"), [(12, 4), pytest.param(200, 60, marks=pytest.mark.slow)])
def test_interrupted_batch_loses_no_picture(
    tmp_path: Path, interruptible: Callable[[int], Interruptible], items: int, pictures_before: int
) -> None:
    batch = interruptible(items)

    status, last = batch.interrupt_after(pictures_before)

    billed, paid = batch.stand_in.ledger()["billed"], batch.stand_in.ledger()["usd"]
    assert status == 130
    assert f"{billed} of {items} pictures are in out/primavera.csv/. {billed} pictures were bought for" in last
    assert len(pictures(tmp_path)) == billed < items

    totals = batch.finish()

    ledger = batch.stand_in.ledger()
    assert ledger["requests"] == ledger["billed"] == items
    assert pictures(tmp_path) == {f"n{number}.png" for number in range(items)}
    assert (totals["replayed"], totals["bought"], totals["failed"]) == (billed, items - billed, {})
    assert totals["cost_usd"] == pytest.approx(ledger["usd"] - paid, abs=0.0001 * items)


def test_second_interrupt_says_what_may_be_billed(interruptible: Callable[[int], Interruptible]) -> None:
    batch = interruptible(8)
    with batch.start() as process:
        batch.draw(2)
        batch.wait_for(process, requests=7)
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        while "Stopping." not in process.stderr.readline():
            pass
        process.send_signal(signal.SIGTERM)
        _, stderr = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "up to 5 more may have been billed" in stderr
    assert "Traceback" not in stderr


def test_batch_pricing_costs_half_and_keeps_the_pictures(batch: Batch, tmp_path: Path) -> None:
    standard = batch(list_of(tmp_path, PROMPTS), NAME="standard")
    half = batch(list_of(tmp_path, PROMPTS), PRICING="batch")
    again = batch(list_of(tmp_path, PROMPTS), PRICING="batch")

    assert (half.totals["bought"], half.totals["replayed"], len(pictures(tmp_path))) == (3, 0, 3)
    assert half.totals["cost_usd"] == half.totals["saved_usd"]
    assert half.totals["cost_usd"] == pytest.approx(standard.totals["cost_usd"] / 2, abs=0.001)
    assert (again.totals["bought"], again.totals["replayed"]) == (0, 3)
    assert "shards at the provider: 1" in half.progress


def test_interrupted_batch_at_the_provider_is_continued(batch: Batch, tmp_path: Path, stand_in: StandIn) -> None:
    stand_in.clock, stand_in.batch_seconds = (clock := Clock()), 3600
    real = {"OPENAI_API_KEY": stand_in.api_key, "OPENAI_BASE_URL": stand_in.base_url}
    environ = {"PRICING": "batch", "BATCH_POLL_SECONDS": "1", "NAME": "primavera.csv", **real}
    path = list_of(tmp_path, PROMPTS)
    with subprocess.Popen(
        [sys.executable, "-m", "local.batch", str(path)],
        env={**os.environ, **environ, "OUT": str(tmp_path / "out"), "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while not stand_in.batches.batches:
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert (process.returncode, "Traceback" in stderr) == (130, False)
    clock.pass_by(3600)

    done = batch(path, **environ)

    assert (done.totals["bought"], done.totals["failed"]) == (3, {})
    assert (len(stand_in.batches.batches), stand_in.ledger()["billed"]) == (1, 3)
