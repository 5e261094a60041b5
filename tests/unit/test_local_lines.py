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
from local.account import NAMESPACE
from local.batch_folder import file_name
from local.estimate import estimate
from local.lambda_context import LocalContext
from local.progress import Progress
from local.terminal import CommandError, status_of
from local.watched import SPARE_BYTES, StoppedError, Watched

ANSWER: dict[str, Any] = {"_meta_": {"replayed": False, "cost_usd": 0.0132}}


def watched(function: Any, out: Path, *, free: int = SPARE_BYTES) -> Watched:  # noqa: ANN401  # a function
    local: Any = SimpleNamespace(out=out, account=SimpleNamespace(folder=None))
    return Watched(function, local, free_bytes=lambda _: free)


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({}, "200 pictures of gpt-image-2.6-flare (medium) at some 0.0066 USD, together 1.32 USD"),
        ({"IMAGE_MODELS": "gpt-image-2", "IMAGE_QUALITY": "max"}, "gpt-image-2 (high) at some 0.1054 USD"),
        ({"IMAGE_MODELS": "another-model"}, "200 pictures of another-model, whose price is not known."),
    ],
)
def test_estimate_of_a_batch_is_half_the_price(given: dict[str, str], line: str) -> None:
    own = {"IMAGE_BUCKET": "pictures", "IMAGE_NAMESPACE": NAMESPACE, "CREDENTIALS_PREFIX": "generate-image"}
    assert line in estimate(200, Settings.from_mapping(own | given), "batch")


def test_progress_on_a_terminal_is_a_bar() -> None:
    stream = StringIO()
    stream.isatty = lambda: True  # type: ignore[method-assign]
    progress = Progress(stream)
    progress.show(3, 10, failed=1, waiting="2 waiting")
    progress.close()

    assert "3 of 10, 1 failed; 2 waiting" in stream.getvalue()


def test_two_names_never_share_a_file() -> None:
    names = [file_name(name, image_id) for name, image_id in (("../a", "1"), (".._a", "2"), ("n0", "3"))]
    assert names == ["_a-1", "_a-2", "n0"]


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


def test_stopped_function_and_full_disk_buy_nothing(tmp_path: Path) -> None:
    generate = watched(lambda _event, _context: pytest.fail("it was called"), tmp_path, free=64 * 1024)

    with pytest.raises(CommandError, match="has 64 KB of free space"):
        generate({}, LocalContext())
    with pytest.raises(StoppedError):
        generate({}, LocalContext())
    generate.sleep(3600)  # returns at once


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
