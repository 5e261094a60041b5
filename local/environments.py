"""Lambda's execution environments: each serves one invocation at a time, and lives on to serve the next."""

from collections import deque
from collections.abc import Callable
from typing import Any

from local.lambda_context import LocalContext
from local.step_functions_gaps import Function


class Environments:
    """A function that may be called by several threads at once, made of functions that may not."""

    def __init__(self, start: Callable[[], Function]) -> None:
        """start: makes a new environment's function; called when none is idle."""
        self._start = start
        self._idle: deque[Function] = deque()

    def __call__(self, event: object, context: LocalContext) -> Any:  # noqa: ANN401  # whatever the function answers
        """Return what an environment answers, or raise what it raises."""
        try:
            function = self._idle.pop()
        except IndexError:
            function = self._start()
        try:
            return function(event, context)
        finally:
            self._idle.append(function)
