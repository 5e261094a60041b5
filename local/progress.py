"""The progress of a batch: a bar on a terminal, otherwise a line for every tenth and for waiting retries."""

import time
from typing import IO, Any

from tqdm import tqdm

TENTHS = 10
BAR = "{n_fmt} of {total_fmt}{postfix} {bar} {remaining}"
"""The waits are before the bar: a narrow terminal cuts off the end."""
WAIT_LINE_SECONDS = 10.0
"""The pause between two lines about the retries that wait."""


class Progress:
    """Shows the finished items and the retries that wait."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._bar: tqdm[Any] | None = None
        self._tenth = 0
        self._next_wait_line = 0.0

    def show(self, done: int, total: int, failed: int, waiting: str) -> None:
        """Show the numbers of items. waiting: a line about the retries that wait, or empty."""
        if self._stream.isatty():
            self._show_bar(done, total, failed, waiting)
            return
        tenth = done * TENTHS // total if total else 0
        if tenth > self._tenth or (waiting and time.monotonic() > self._next_wait_line):
            print(_line(done, total, failed, waiting), file=self._stream, flush=True)
            self._tenth, self._next_wait_line = tenth, time.monotonic() + WAIT_LINE_SECONDS

    def close(self) -> None:
        """End the bar's line."""
        if self._bar is not None:
            self._bar.close()

    def _show_bar(self, done: int, total: int, failed: int, waiting: str) -> None:
        if self._bar is None:  # with nrows, because a terminal of 0 rows, as in some tools, would show nothing
            self._bar = tqdm(total=total, file=self._stream, nrows=24, bar_format=BAR)
        bar = self._bar
        bar.total, bar.n = total, done
        bar.set_postfix_str("; ".join(filter(None, (f"{failed} failed" if failed else "", waiting))))


def _line(done: int, total: int, failed: int, waiting: str) -> str:
    return f"{done} of {total}: {done - failed} pictures, {failed} failed" + (f"; {waiting}" if waiting else "")
