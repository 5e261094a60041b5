"""The types of a Lambda invocation on this machine."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from uuid import uuid4


@dataclass
class LocalContext:
    """The context of an invocation that starts now.

    seconds: the function's timeout. answer_bytes: the largest answer that the caller accepts, if it says so.
    """

    seconds: float = 300.0
    aws_request_id: str = field(default_factory=lambda: str(uuid4()))
    answer_bytes: int | None = None

    def __post_init__(self) -> None:
        self._end = time.monotonic() + self.seconds

    @property
    def client_context(self) -> SimpleNamespace:
        """The data that the caller sent beside the event."""
        return SimpleNamespace(custom={} if self.answer_bytes is None else {"answer_bytes": str(self.answer_bytes)})

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds left."""
        return max(0, round((self._end - time.monotonic()) * 1000))


Function = Callable[[Any, LocalContext], Any]
"""A Lambda function."""
