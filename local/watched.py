"""The generate function of a local command, with a view of its purchases, its waits and its open requests."""

import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from local.lambda_context import Function, LocalContext
from local.terminal import FAILURE, CommandError
from local.workspace import Workspace

SPARE_BYTES = 64 * 1024 * 1024
"""The free space that a purchase needs: two copies of the largest picture."""


class StoppedError(Exception):
    """No more invocations start."""


class Watched:
    """Calls the function until it is stopped."""

    def __init__(
        self,
        function: Function,
        local: Workspace,
        keep: Callable[[Any, Any], None] = lambda _event, _answer: None,
        *,
        free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
    ) -> None:
        """local: its folders get the pictures. keep: takes the event and the answer of every picture."""
        self._function = function
        self._local = local
        self._free_bytes = free_bytes
        self._keep = keep
        self._lock = threading.Lock()
        self.stopped = threading.Event()
        """Set once no more invocations start."""
        self._last_error = ""
        self._waits: dict[int, float] = {}  # by thread, the end of its wait
        self.in_flight = 0
        self.bought = 0
        self.cost_usd = 0.0
        self.problem: OSError | CommandError | None = None
        """The reason why the function stopped by itself."""

    def __call__(self, event: Any, context: LocalContext) -> Any:  # noqa: ANN401  # JSON
        """Run an invocation. Raises StoppedError, and the errors of the function and of this machine."""
        if self.stopped.is_set():
            raise StoppedError("The command was stopped. Nothing was bought.")
        try:
            self._require_space()
            answer = self._invoke(event, context)
            self._keep(event, answer)
        except (OSError, CommandError) as error:
            self._stop_for(error)
            raise
        finally:
            folder = self._local.account.folder
            if folder is not None and folder.problem is not None:
                self._stop_for(folder.problem)
        return answer

    def _require_space(self) -> None:
        """Raise CommandError if a picture might not fit on the disk."""
        free = self._free_bytes(self._local.out)
        if free < SPARE_BYTES:
            raise CommandError(
                f"{self._local.out}/ has {free // 1024} KB of free space, and a picture needs up to "
                f"{SPARE_BYTES // 1024**2} MB. Nothing more is bought.",
                FAILURE,
            )

    def _stop_for(self, problem: OSError | CommandError) -> None:
        self.problem = problem
        self.stop()

    def _invoke(self, event: Any, context: LocalContext) -> Any:  # noqa: ANN401  # JSON
        with self._lock:
            self.in_flight += 1
        try:
            answer = self._function(event, context)
        except Exception as error:  # not KeyboardInterrupt, after which the purchase counts as in flight
            self._last_error = type(error).__name__
            with self._lock:
                self.in_flight -= 1
            raise
        meta = answer["_meta_"]
        with self._lock:
            self.in_flight -= 1
            if not meta["replayed"]:
                self.bought += 1
                self.cost_usd += meta.get("cost_usd") or 0.0
        return answer

    def sleep(self, seconds: float) -> None:
        """Wait before a retry. ``stop`` ends the wait."""
        thread = threading.get_ident()
        self._waits[thread] = time.monotonic() + seconds
        self.stopped.wait(seconds)
        del self._waits[thread]

    def stop(self) -> None:
        """Start no more invocations. Those in flight go on."""
        self.stopped.set()

    def waiting(self) -> str:
        """Return a line about the retries that wait; empty if none does."""
        ends = list(self._waits.values())
        if not ends:
            return ""
        seconds = max(0, round(min(ends) - time.monotonic()))
        return f"{len(ends)} waiting: {self._last_error}, next retry in {seconds} s"

    def summary(self) -> str:
        """Return a sentence about the money that was spent."""
        spent = f"{self.bought} {'picture was' if self.bought == 1 else 'pictures were'} bought"
        if self.bought:
            spent += f" for {self.cost_usd:.4f} USD"
        if self.in_flight:
            spent += f"; up to {self.in_flight} more may have been billed"
        return f"{spent}."
