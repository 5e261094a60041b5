"""A progress bar on a terminal; in a log, a line for every tenth."""

from typing import IO

WIDTH = 40
TENTHS = 10


class ProgressBar:
    """Shows how many of ``total`` are done. total: None where nobody knows yet."""

    def __init__(self, total: int | None, stream: IO[str]) -> None:
        self._total = total
        self._stream = stream
        self._shown = ""
        self._tenth = 0

    def show(self, pictures: int, failed: int) -> None:
        """Show the numbers, if they are new."""
        done = pictures + failed
        line = f"{done} of {self._total or '?'}: {pictures} pictures, {failed} failed"
        tenth = done * TENTHS // self._total if self._total else 0
        if line == self._shown:
            return
        self._shown = line
        if self._stream.isatty():
            filled = done * WIDTH // self._total if self._total else 0
            self._stream.write(f"\r[{'#' * filled}{'.' * (WIDTH - filled)}] {line}")
        elif tenth > self._tenth:
            self._stream.write(f"{line}\n")
        self._tenth = max(self._tenth, tenth)
        self._stream.flush()

    def close(self) -> None:
        """End the line."""
        if self._stream.isatty() and self._shown:
            self._stream.write("\n")
