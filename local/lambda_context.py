"""The context that Lambda hands a function, for a handler that is called here."""

import time
from dataclasses import dataclass, field
from types import SimpleNamespace
from uuid import uuid4


@dataclass
class LocalContext:
    """An invocation that began when this was made.

    seconds: the function's time-out. answer_bytes: the largest answer that the caller can take, where it says so.
    """

    seconds: float = 300.0
    aws_request_id: str = field(default_factory=lambda: str(uuid4()))
    answer_bytes: int | None = None

    def __post_init__(self) -> None:
        self._ends = time.monotonic() + self.seconds

    @property
    def client_context(self) -> SimpleNamespace:
        """Return what the caller sent beside the event."""
        return SimpleNamespace(custom={} if self.answer_bytes is None else {"answer_bytes": str(self.answer_bytes)})

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds left."""
        return max(0, round((self._ends - time.monotonic()) * 1000))
