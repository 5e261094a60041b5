"""Starts the state machine for a request and waits for the picture, up to the caller's ``Prefer: wait``."""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.request import parse_http_list

from generate_image.aws.executions import Executions
from generate_image.errors import InvalidRequestError, RateLimitedError, StepFunctionsError, StorageError
from generate_image.http.request import CreateRequest
from generate_image.http.status import QUEUED, Ended, Pending, PictureStatus, Ready, Snapshot, StatusReader
from generate_image.lease import refuse_reused_key
from generate_image.record import Status
from generate_image.settings import WhenOutcomeUnknown
from generate_image.state import Free, Unknown

LONGEST_WAIT_SECONDS = 25
"""Leaves a cold start and the response within API Gateway's 30 seconds."""
PAUSE_SECONDS = 0.4
FIRST_DESCRIBE_SECONDS = 1.0
DESCRIBE_SECONDS = 5.0
"""DescribeExecution allows 15 calls a second for the whole account; S3 allows 5,500 reads for each prefix.

https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
"""
LONGEST_SPACING_SECONDS = 60.0
JOINED_SECONDS = 1.0
"""An execution whose start is older was started by another request."""
STARTS = 3
"""How often a start is tried while other requests start the same attempt."""


class Preferences(NamedTuple):
    """The ``Prefer`` header. wait: seconds. applied: the value of ``Preference-Applied``, or empty."""

    wait: int
    applied: str


def parse_prefer(header: str) -> Preferences:
    """Return the preferences of a ``Prefer`` header (RFC 7240).

    Unknown and malformed preferences, and repetitions, are ignored. A longer wait than LONGEST_WAIT_SECONDS is
    shortened. Raises InvalidRequestError if ``wait`` is not a whole number: the caller relies on it.
    """
    given: dict[str, str] = {}
    for preference in parse_http_list(header):
        name, _, value = preference.partition(";")[0].partition("=")
        given.setdefault(name.strip().lower(), value.strip())
    wait = LONGEST_WAIT_SECONDS
    applied = []
    if "respond-async" in given:
        wait = 0
        applied.append("respond-async")
    if "wait" in given:
        number = re.fullmatch(r'("?)([0-9]{1,10})\1', given["wait"])
        if number is None:
            problem = "wait must be a whole number of seconds, such as: wait=10"
            raise InvalidRequestError.listing([{"field": "Prefer", "problem": problem}])
        wait = min(int(number[2]), LONGEST_WAIT_SECONDS)
        applied.append(f"wait={wait}")
    return Preferences(wait, ", ".join(applied))


class Created(NamedTuple):
    """The status at the end of the wait. started_here: this request started the execution."""

    status: PictureStatus
    started_here: bool


class ImageCreator(NamedTuple):
    """Creates pictures by the state machine.

    hash_of: returns the request hash of an execution's event. clock: seconds since the epoch.
    """

    executions: Executions
    statuses: StatusReader
    hash_of: Callable[[Mapping[str, Any]], str]
    when_outcome_unknown: WhenOutcomeUnknown
    clock: Callable[[], float]
    sleep: Callable[[float], None]

    def create(self, request: CreateRequest, wait_until: float) -> Created:
        """Start an execution unless one is running or the picture is stored, and wait.

        wait_until: seconds since the epoch. Raises IdempotencyKeyReusedError, RateLimitedError, StorageError,
        StepFunctionsError and ConfigurationError. The error of the purchase itself is part of the status.
        """
        snapshot = self.statuses.read_record(request.client_id, request.image_id)
        if snapshot.state.record is None and self.executions.last_known_attempt(request.image_id) is None:
            # As a rule, the key is new, and there is no execution to describe.
            created = self._start_and_wait(request, 1, FIRST_DESCRIBE_SECONDS, wait_until)
            if created:
                return created
        for _ in range(STARTS):
            snapshot = self.statuses.read(request.client_id, request.image_id)
            self._refuse_reused_key(snapshot, request)
            if snapshot.is_running:
                attempt = snapshot.execution.attempt if snapshot.execution else None
                status = self._wait(request, snapshot.status(), attempt, DESCRIBE_SECONDS, wait_until)
                return Created(status, started_here=False)
            if not self._may_start(snapshot):
                return Created(snapshot.status(), started_here=False)
            self._refuse_early_attempt(snapshot)
            attempt = snapshot.execution.attempt + 1 if snapshot.execution else 1
            created = self._start_and_wait(request, attempt, DESCRIBE_SECONDS, wait_until)
            if created:
                return created
        # Another request starts the same attempts, and Step Functions does not show them yet.
        status = self._wait(request, Pending(QUEUED), None, DESCRIBE_SECONDS, wait_until)
        return Created(status, started_here=False)

    def _start_and_wait(
        self, request: CreateRequest, attempt: int, first_describe: float, wait_until: float
    ) -> Created | None:
        """Return None if another request has used the attempt's name."""
        now = self.clock()
        started_at = self.executions.start(request.image_id, attempt, request.event_json)
        if started_at is None:
            return None
        status = self._wait(request, Pending(QUEUED), attempt, first_describe, wait_until)
        return Created(status, started_here=started_at > now - JOINED_SECONDS)

    def _may_start(self, snapshot: Snapshot) -> bool:
        """Return whether an execution could change the status."""
        state = snapshot.state
        is_final = isinstance(state, Unknown) and state.record.status is Status.FAILED
        return not snapshot.is_decided and not (is_final and self.when_outcome_unknown == "fail")

    def _refuse_reused_key(self, snapshot: Snapshot, request: CreateRequest) -> None:
        if not isinstance(snapshot.state, Free):
            refuse_reused_key(snapshot.state.record.request_hash, request.request_hash)
        elif snapshot.execution and snapshot.execution.is_running and snapshot.execution.event:
            refuse_reused_key(self.hash_of(snapshot.execution.event), request.request_hash)

    def _refuse_early_attempt(self, snapshot: Snapshot) -> None:
        """Raise RateLimitedError for attempt 3 and later, until 2, 4, 8, … 60 seconds after the last start."""
        last = snapshot.execution
        failure = last.failure() if last else None
        if last is None or failure is None or last.attempt == 1:
            return
        spacing = min(LONGEST_SPACING_SECONDS, 2.0 ** (min(last.attempt, 10) - 1))
        left = last.started_at + spacing - self.clock()
        if left > 0:
            raise RateLimitedError(
                f"{last.attempt} attempts with this idempotency key failed, the last one with {failure.code}. The next "
                f"attempt may start {spacing:.0f} seconds after the last.",
                retry_after=left,
            )

    def _wait(
        self,
        request: CreateRequest,
        status: PictureStatus,
        attempt: int | None,
        first_describe: float,
        wait_until: float,
    ) -> PictureStatus:
        """Return the final status, or the last one seen when the wait ends.

        attempt: the only execution that is described; None: the latest. first_describe: seconds from now.
        """
        describe_at = self.clock() + first_describe
        while (left := wait_until - self.clock()) > 0:
            self.sleep(min(PAUSE_SECONDS, left))
            describes = self.clock() >= describe_at
            if describes:
                describe_at = self.clock() + DESCRIBE_SECONDS
            try:
                if describes:
                    snapshot = self.statuses.read(request.client_id, request.image_id, attempt)
                else:
                    snapshot = self.statuses.read_record(request.client_id, request.image_id)
            except (StorageError, StepFunctionsError):
                continue  # the next look may succeed, and the execution goes on
            if attempt is None:  # the purchase may be that of another request
                self._refuse_reused_key(snapshot, request)
            if describes or snapshot.is_decided:
                status = snapshot.status() or status
            if isinstance(status, Ready | Ended):
                break
        return status
