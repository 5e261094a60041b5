"""``make batch``: totals on standard output, pictures as they come, and no loss by an interrupt."""

import json
import re
import signal
import time
from _thread import interrupt_main
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from local.batch import main
from local.openai_stand_in import StandIn
from local.terminal import CommandError

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
"""An interrupt can come while a socket is opened."""
PROMPTS = ("Un volcán al alba", "قطة على القمر", "猫 🐈")
Batch = Callable[..., tuple[int, dict[str, Any], str]]


@pytest.fixture
def batch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Batch:
    """Run a list of prompts. The result is the exit status, the totals and the lines of standard error."""

    def batch(*prompts: str, **environ: str) -> tuple[int, dict[str, Any], str]:
        path = tmp_path / "primavera.csv"
        rows = "".join(f"n{number},{prompt}\n" for number, prompt in enumerate(prompts))
        path.write_text(f"id,prompt\n{rows}", "utf-8")
        status = main(path, {"OUT": str(tmp_path / "out"), **environ})
        printed = capsys.readouterr()
        return status, json.loads(printed.out or "{}"), printed.err

    return batch


def pictures(tmp_path: Path) -> set[str]:
    return {path.name for path in (tmp_path / "out" / "primavera.csv").glob("*.png")}


def real(stand_in: StandIn) -> dict[str, str]:
    return {"OPENAI_API_KEY": stand_in.api_key, "OPENAI_BASE_URL": stand_in.base_url}


def test_second_start_buys_the_rest_at_half_the_price(batch: Batch, tmp_path: Path) -> None:
    """Each picture has a file and a place on the contact sheet, in every script."""
    status, totals, progress = batch(*PROMPTS, "[moderation_blocked] <b>", "[insufficient_quota] Un gato")
    folder = tmp_path / "out" / "primavera.csv"
    sheet = (folder / "index.html").read_text("utf-8")
    _, second, waits = batch(*PROMPTS, "[moderation_blocked] <b>", "Un gato", PRICING="batch")

    assert (status, totals["bought"]) == (1, 3)
    assert totals["failed"] == {"ContentRejectedError": 1, "QuotaExhaustedError": 1}
    assert "Item n3: ContentRejectedError: " in progress
    assert [prompt for prompt in PROMPTS if prompt in sheet] == list(PROMPTS)
    assert re.findall(r'<img src="([^"]+)"', sheet) == ["n0.png", "n1.png", "n2.png"]
    assert (sheet.count("ContentRejectedError"), sheet.count("<b>")) == (1, 0)
    assert len((folder / "results.jsonl").read_text("utf-8").splitlines()) == 5
    assert (second["bought"], second["replayed"]) == (1, 3)
    assert second["cost_usd"] == second["saved_usd"] == pytest.approx(0.0066, abs=0.0001)
    assert "shards at the provider: 1" in waits
    assert pictures(tmp_path) == {"n0.png", "n1.png", "n2.png", "n4.png"}


def test_wrong_list_or_input_is_a_sentence(batch: Batch, tmp_path: Path) -> None:
    (tmp_path / "list.txt").touch()
    for name, reason in (("missing.json", "no such file"), ("", "no such file"), ("list.txt", "must end in")):
        with pytest.raises(CommandError, match=reason):
            main(tmp_path / name, {})

    status, totals, progress = batch(*PROMPTS, PRICING="cheap")
    assert (status, totals) == (1, {})
    assert "pricing: must be standard or batch. 0 pictures were bought." in progress


@pytest.fixture
def interrupted() -> Iterator[Event]:
    """Set when Ctrl-C has come."""
    interrupted = Event()

    def interrupt(*_: object) -> None:
        interrupted.set()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    yield interrupted
    signal.signal(signal.SIGINT, before)


def test_interrupt_loses_no_picture(batch: Batch, tmp_path: Path, stand_in: StandIn, interrupted: Event) -> None:
    drawn = count(1)

    def draw(_: float) -> None:
        if (number := next(drawn)) == 6:
            interrupt_main()
        if number >= 6:
            interrupted.wait()

    stand_in.latency, stand_in.sleep = 1, draw
    prompts = [f"Un faro número {number}" for number in range(30)]
    status, totals, progress = batch(*prompts, **real(stand_in))

    billed, paid = stand_in.ledger()["billed"], stand_in.ledger()["usd"]
    assert (status, totals) == (130, {})
    assert "30 pictures of gpt-image-2.6-flare (medium) at some 0.0132 USD, together 0.40 USD" in progress
    summary = f"{billed} of 30 pictures are in {tmp_path}/out/primavera.csv/. {billed} pictures were bought for"
    assert summary in progress
    assert 5 < len(pictures(tmp_path)) == billed < 30

    _, totals, _ = batch(*prompts, **real(stand_in))

    ledger = stand_in.ledger()
    assert ledger["requests"] == ledger["billed"] == len(pictures(tmp_path)) == 30
    assert (totals["replayed"], totals["bought"], totals["failed"]) == (billed, 30 - billed, {})
    assert totals["cost_usd"] == pytest.approx(ledger["usd"] - paid, abs=0.003)


def test_shard_outlives_an_interrupt(batch: Batch, stand_in: StandIn, interrupted: Event) -> None:
    def clock() -> float:
        if stand_in.batches.batches and not interrupted.is_set():
            interrupt_main()
            interrupted.wait()
        return time.time()

    stand_in.batch_seconds, stand_in.clock = 3600, clock
    environ = {"PRICING": "batch", "BATCH_POLL_SECONDS": "1", **real(stand_in)}
    status, _, progress = batch(*PROMPTS, **environ)
    stand_in.clock = lambda: time.time() + 3600
    _, totals, _ = batch(*PROMPTS, **environ)

    assert status == 130
    assert "3 pictures of gpt-image-2.6-flare (medium) at some 0.0066 USD, together 0.02 USD" in progress
    assert (totals["bought"], totals["failed"]) == (3, {})
    assert (len(stand_in.batches.batches), stand_in.ledger()["billed"]) == (1, 3)
