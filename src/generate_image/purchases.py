"""Has a picture bought, once, and waits for it as long as the caller does."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from generate_image.deadline import Deadline, LambdaContext
from generate_image.errors import IdempotencyKeyReusedError, RequestInProgressError
from generate_image.executions import Executions
from generate_image.orders import Order
from generate_image.outcomes import QUEUED, Outcome, Outcomes
from generate_image.records import Status

if TYPE_CHECKING:
    from generate_image.handler import Handler

FIRST_PAUSE_SECONDS = 0.3
LONGEST_PAUSE_SECONDS = 1.5
PAUSE_GROWTH = 1.3
STARTS = 3
"""How often a start is tried that other calls get ahead of."""


@dataclass(frozen=True, slots=True)
class Purchase:
    """What came of an order while its caller waited. begun: whether it was this very call that had it bought."""

    outcome: Outcome
    begun: bool


class Purchases:
    """Purchases by the state machine."""

    def __init__(
        self,
        executions: Executions,
        outcomes: Outcomes,
        hash_of: Callable[[Mapping[str, Any]], str],
        *,
        sleep: Callable[[float], None],
    ) -> None:
        """hash_of: of an event, its ``request_hash``."""
        self._executions = executions
        self._outcomes = outcomes
        self._hash_of = hash_of
        self._sleep = sleep

    def make(self, order: Order, waiting: Deadline, deadline: Deadline, context: LambdaContext) -> Purchase:
        """Start an execution unless one runs or the picture is there, and wait.

        Raises IdempotencyKeyReusedError, StorageError and ConfigurationError; what the purchase itself ended with is
        part of its outcome.
        """
        del context
        for _ in range(STARTS):
            outcome = self._outcomes.look(order.client_id, order.image_id, deadline)
            self._refuse_reused_key(outcome, order)
            if outcome.stored or outcome.final:
                return Purchase(outcome, begun=False)
            if outcome.pending:
                break
            attempt = outcome.execution.attempt + 1 if outcome.execution else 1
            if self._executions.start(order.image_id, attempt, order.text, deadline):
                queued = Outcome(pending=QUEUED)
                outcome = wait(self._outcomes, order, queued, attempt, waiting, deadline, self._sleep)
                return Purchase(outcome, begun=True)
        # Another call's execution runs, or was started this moment and is not told of yet.
        attempt = outcome.execution.attempt if outcome.execution else 1
        outcome = outcome if outcome.pending else Outcome(pending=QUEUED)
        outcome = wait(self._outcomes, order, outcome, attempt, waiting, deadline, self._sleep)
        return Purchase(outcome, begun=False)

    def _refuse_reused_key(self, outcome: Outcome, order: Order) -> None:
        known = ""
        if outcome.record and outcome.record.status is not Status.RELEASED:
            known = outcome.record.request_hash
        elif outcome.pending and outcome.execution:
            known = self._hash_of(outcome.execution.event)
        if known not in ("", order.request_hash):
            raise IdempotencyKeyReusedError(
                "This idempotency key names another request: its prompt, credential, models or quality differ. Use a "
                "new key for a new picture."
            )


class InPlacePurchases:
    """Purchases within the call itself, where there is no state machine: ``sam local start-api``."""

    def __init__(self, handler: "Handler", outcomes: Outcomes, *, sleep: Callable[[float], None]) -> None:
        self._handler = handler
        self._outcomes = outcomes
        self._sleep = sleep

    def make(self, order: Order, waiting: Deadline, deadline: Deadline, context: LambdaContext) -> Purchase:
        """Buy, however long it takes; wait only where another call is buying. Raises a GenerateImageError."""
        try:
            answer = self._handler.serve(order.event, context)
        except RequestInProgressError:
            seen = self._outcomes.look(order.client_id, order.image_id, deadline)
            return Purchase(wait(self._outcomes, order, seen, 0, waiting, deadline, self._sleep), begun=False)
        outcome = self._outcomes.look(order.client_id, order.image_id, deadline)
        return Purchase(outcome, begun=not answer["_meta_"]["replayed"])


def wait(
    outcomes: Outcomes,
    order: Order,
    outcome: Outcome,
    attempt: int,
    waiting: Deadline,
    deadline: Deadline,
    sleep: Callable[[float], None],
) -> Outcome:
    """Return how a purchase ended, or how far it has come when the waiting ends.

    attempt: the execution that is waited for; what is told of an earlier one is old (Step Functions' answers lag).
    deadline: for each look.
    """
    pause = FIRST_PAUSE_SECONDS
    while waiting.remaining() > 0:
        sleep(min(pause, waiting.remaining()))
        pause = min(pause * PAUSE_GROWTH, LONGEST_PAUSE_SECONDS)
        seen = outcomes.look(order.client_id, order.image_id, deadline)
        if seen.stored or seen.final:
            return seen
        if seen.error and (seen.execution.attempt if seen.execution else 0) >= attempt:
            return seen
        if seen.pending:
            outcome = seen
    return outcome
