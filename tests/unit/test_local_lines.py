"""The lines of the local commands: estimate, progress, money and the ends of a command."""

import errno
from contextlib import closing, suppress
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

LOCAL: Any = SimpleNamespace(out=Path("out"), account=SimpleNamespace(folder=None))


def end_with(end: Any, _context: object = None) -> Any:  # noqa: ANN401  # JSON
    if isinstance(end, BaseException):
        raise end
    return end


def test_estimate_names_a_model_without_a_price() -> None:
    own = {"IMAGE_BUCKET": "pictures", "IMAGE_NAMESPACE": NAMESPACE, "CREDENTIALS_PREFIX": "generate-image"}
    settings = Settings.from_mapping(own | {"IMAGE_MODELS": "another"})
    assert "200 pictures of another, whose price is not known." in estimate(200, settings)


def test_progress_on_a_terminal_is_a_bar() -> None:
    stream = StringIO()
    stream.isatty = lambda: True  # type: ignore[method-assign]
    with closing(Progress(stream)) as progress:
        progress.show(3, 10, failed=1, waiting="2 waiting")
    assert "3 of 10, 1 failed; 2 waiting" in stream.getvalue()


def test_two_names_never_share_a_file() -> None:
    assert [file_name("../a", "1"), file_name(".._a", "2"), file_name("n0", "3")] == ["_a-1", "_a-2", "n0"]


def test_summary_counts_what_may_have_been_billed() -> None:
    bought, replayed = ({"_meta_": {"replayed": replayed, "cost_usd": 0.0132}} for replayed in (False, True))
    generate = Watched(end_with, LOCAL, free_bytes=lambda _: SPARE_BYTES)
    for end in (bought, bought, replayed, ProviderUnavailableError("No connection."), KeyboardInterrupt()):
        with suppress(ProviderUnavailableError, KeyboardInterrupt):
            generate(end, LocalContext())
    assert generate.summary() == "2 pictures were bought for 0.0264 USD; up to 1 more may have been billed."


def test_stopped_function_and_full_disk_buy_nothing() -> None:
    generate = Watched(lambda *_: pytest.fail("it was called"), LOCAL, free_bytes=lambda _: 64 * 1024)
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
    assert status_of(lambda: end_with(error)) == status
    assert capsys.readouterr().err.startswith(line)
