"""The lines of the local commands: estimate, progress, money and the ends of a command."""

import errno
from contextlib import suppress
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from generate_image.errors import ProviderUnavailableError, RateLimitedError
from generate_image.settings import Settings
from local.estimate import estimate
from local.lambda_context import LocalContext
from local.progress import Progress
from local.terminal import CommandError, status_of
from local.watched import SPARE_BYTES, StoppedError, Watched

ANSWER: dict[str, Any] = {"_meta_": {"replayed": False, "cost_usd": 0.0132}}


def settings(**given: str) -> Settings:
    return Settings.from_mapping(
        {
            "IMAGE_BUCKET": "pictures",
            "IMAGE_NAMESPACE": "6f1c8a52-3f0e-4d0a-9a0b-5a5b1e0c7d11",
            "CREDENTIALS_PREFIX": "generate-image",
            **given,
        }
    )


def watched(function: Any, out: Path, *, free: int = SPARE_BYTES) -> Watched:  # noqa: ANN401  # a function
    local: Any = SimpleNamespace(out=out, account=SimpleNamespace(folder=None))
    return Watched(function, local, free_bytes=lambda _: free)


def test_estimate_follows_number_quality_and_model() -> None:
    flare = "200 pictures of gpt-image-2.6-flare (medium) at some 0.0132 USD, together 2.63 USD"
    assert flare in estimate(200, settings())
    assert "some 0.2107 USD" in estimate(1, settings(IMAGE_MODELS="gpt-image-2", IMAGE_QUALITY="max"))
    assert "price is not known" in estimate(1, settings(IMAGE_MODELS="another-model"))


def test_progress_is_a_line_for_every_tenth() -> None:
    stream = StringIO()
    progress = Progress(stream, clock=lambda: 0.0)
    for done in range(101):
        progress.show(done, 100, failed=0, waiting="")
    progress.close()

    assert len(stream.getvalue().splitlines()) == 10


def test_waiting_retries_are_visible() -> None:
    stream, now = StringIO(), [100.0]
    progress = Progress(stream, clock=lambda: now[0])
    for second in range(25):
        now[0] = 100.0 + second
        progress.show(0, 5, failed=0, waiting="5 waiting: ProviderUnavailableError, next retry in 40 s")

    lines = stream.getvalue().splitlines()
    assert lines == ["0 of 5: 0 pictures, 0 failed; 5 waiting: ProviderUnavailableError, next retry in 40 s"] * 3


def test_progress_on_a_terminal_is_a_bar() -> None:
    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    progress = Progress(stream)
    progress.show(3, 10, failed=1, waiting="")
    progress.close()

    assert "3 of 10" in stream.getvalue()
    assert "1 failed" in stream.getvalue()


@pytest.mark.parametrize(
    ("end", "summary"),
    [
        (ANSWER, "2 pictures were bought for 0.0264 USD."),
        ({"_meta_": {"replayed": True, "cost_usd": 0.0132}}, "0 pictures were bought."),
        (ProviderUnavailableError("No connection."), "0 pictures were bought."),
        (KeyboardInterrupt(), "0 pictures were bought; up to 2 more may have been billed."),
    ],
)
def test_summary_counts_two_invocations(tmp_path: Path, end: dict[str, Any] | BaseException, summary: str) -> None:
    def function(_event: object, _context: object) -> dict[str, Any]:
        if isinstance(end, BaseException):
            raise end
        return end

    generate = watched(function, tmp_path)
    for _ in range(2):
        with suppress(ProviderUnavailableError, KeyboardInterrupt):
            generate({}, LocalContext())

    assert generate.summary() == summary


def test_stopped_function_buys_nothing(tmp_path: Path) -> None:
    generate = watched(lambda _event, _context: pytest.fail("it was called"), tmp_path)
    generate.stop()

    with pytest.raises(StoppedError):
        generate({}, LocalContext())
    generate.sleep(3600)  # returns at once


def test_full_disk_stops_before_the_purchase(tmp_path: Path) -> None:
    generate = watched(lambda _event, _context: pytest.fail("it was called"), tmp_path, free=64 * 1024)

    with pytest.raises(CommandError, match="has 64 KB of free space"):
        generate({}, LocalContext())
    assert generate.stopped.is_set()


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (CommandError("PORT must be a number."), 2, "PORT must be a number."),
        (RateLimitedError("Too fast.", retry_after=7), 1, "RateLimitedError: Too fast. Retry in 7 s."),
        (OSError(errno.ENOSPC, "No space left on device", "out/x.png"), 1, "out/x.png: No space left on device."),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 1, "Standard output was closed before the result was written."),
        (KeyboardInterrupt(), 130, "Interrupted."),
    ],
)
def test_end_of_a_command_is_a_sentence(
    capsys: pytest.CaptureFixture[str], error: BaseException, status: int, line: str
) -> None:
    def main() -> int:
        raise error

    assert status_of(main) == status
    assert capsys.readouterr().err.startswith(line)
