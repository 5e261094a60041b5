"""How long an invocation has, and how no outward call takes longer."""

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import Any, NamedTuple, Protocol, TypeVar

T = TypeVar("T")


class LambdaContext(Protocol):
    """What is read of the context that Lambda hands a function.

    https://docs.aws.amazon.com/lambda/latest/dg/python-context.html
    """

    @property
    def aws_request_id(self) -> str:
        """The invocation's id, which stays the same when Lambda itself repeats an asynchronous one."""

    @property
    def client_context(self) -> Any:  # noqa: ANN401  # whatever the caller sent
        """What the caller sent beside the event, or None."""

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until Lambda ends the invocation."""


class DeadlineExceededError(TimeoutError):
    """The call did not return in time; what it asked for may still take effect."""


class Deadline(NamedTuple):
    """A moment of the clock. at: seconds since the epoch, as clock tells them."""

    at: float
    clock: Callable[[], float]

    def remaining(self) -> float:
        """Return the seconds left, at least 0."""
        return max(0.0, self.at - self.clock())

    def less(self, seconds: float) -> "Deadline":
        """Return the deadline that comes so many seconds earlier."""
        return Deadline(self.at - seconds, self.clock)

    def run(self, call: Callable[[], T]) -> T:
        """Return what ``call`` returns, or raise what it raises, or DeadlineExceededError when time is up.

        Client libraries bound a connect and each read, but neither the look-up of a name nor a server that sends a byte
        now and then. So the call has a thread of its own, which is abandoned when it is late.
        """
        outcome: Future[T] = Future()

        def run() -> None:
            try:
                outcome.set_result(call())
            except BaseException as error:  # noqa: BLE001  # it is raised in the caller's thread
                outcome.set_exception(error)

        seconds = self.remaining()
        if seconds == 0:
            raise DeadlineExceededError
        Thread(target=run, daemon=True).start()
        try:
            return outcome.result(timeout=seconds)
        except TimeoutError:
            if outcome.done():  # the call's own TimeoutError, or an answer in the very last moment
                return outcome.result()
            raise DeadlineExceededError from None
