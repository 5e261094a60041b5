"""The end of the current invocation."""

from collections.abc import Callable


class DeadlineExceededError(TimeoutError):
    """A call did not end before the deadline. It may still take effect on the other side."""


class Deadline:
    """One object for each execution environment. Every invocation starts it anew.

    An environment serves one invocation at a time, so its parts share this object instead of passing a deadline through
    every call.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """clock: returns seconds since the epoch."""
        self.clock = clock
        self.at = clock()
        """Seconds since the epoch."""

    def start(self, seconds: float) -> None:
        """Start an invocation that may take so many seconds."""
        self.at = self.clock() + seconds

    def remaining(self, reserve: float = 0.0) -> float:
        """Return the seconds left, at least 0. reserve: seconds to keep for a later step."""
        return max(0.0, self.at - reserve - self.clock())
