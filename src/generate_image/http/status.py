"""The status of a picture, from its record and, where the record alone does not decide, from its execution.

It writes nothing. Only the generate function changes a record.
"""

from collections.abc import Callable
from typing import NamedTuple

from generate_image.aws.executions import Execution, Executions
from generate_image.aws.records import RecordStore
from generate_image.errors import DownloadError, GenerateImageError
from generate_image.record import Record, Status
from generate_image.state import Bought, Failed, FindStored, Free, InProgress, State, Stored, Unknown, state_of

QUEUED = "queued"
"""The progress before the purchase. From the purchase on, the record's status is the progress."""
NOT_SHOWN = Execution(attempt=0, status="RUNNING", started_at=0.0, event={})
"""A started execution that Step Functions does not show yet."""


class Ready(NamedTuple):
    """The picture is in S3."""

    record: Record


class Pending(NamedTuple):
    """A purchase is in progress. progress: ``queued``, ``started`` or ``generated``."""

    progress: str


class Ended(NamedTuple):
    """The last attempt ended in an error."""

    error: GenerateImageError


PictureStatus = Ready | Pending | Ended | None
"""None: the client has no such picture."""


class Snapshot(NamedTuple):
    """The state of the record, and the last execution where the record alone does not decide."""

    state: State
    execution: Execution | None = None

    @property
    def is_decided(self) -> bool:
        """Whether the record alone decides the status."""
        return isinstance(self.state, Stored | Failed | InProgress)

    @property
    def is_running(self) -> bool:
        """Whether a purchase is in progress."""
        return isinstance(self.state, InProgress) or (self.execution is not None and self.execution.is_running)

    def status(self) -> PictureStatus:
        """Return the status that callers see."""
        if isinstance(self.state, Stored):
            return Ready(self.state.record)
        if self.is_running:
            return Pending(_progress(self.state))
        error = self.state.error if isinstance(self.state, Failed | Unknown) else self._failure()
        return Ended(error) if error else None

    def _failure(self) -> GenerateImageError | None:
        """Return the error of the last execution, for a picture that is not stored."""
        failure = self.execution.failure() if self.execution else None
        if isinstance(self.state, Bought):
            return failure or DownloadError(
                "The picture was bought and not downloaded yet. Retry with the same idempotency key: that buys nothing."
            )
        record = self.state.record
        is_old = (
            record is not None
            and record.status is Status.STORED  # and its picture's lifetime is over
            and self.execution is not None
            and self.execution.started_at <= record.lease_until
        )
        return None if is_old else failure


class StatusReader(NamedTuple):
    """Reads records and executions. clock: seconds since the epoch."""

    records: RecordStore
    find_stored: FindStored
    executions: Executions
    clock: Callable[[], float]

    def read_record(self, client_id: str, image_id: str) -> Snapshot:
        """Return a snapshot without an execution. Raises StorageError and ConfigurationError."""
        record = self.records.read(client_id, image_id)
        return Snapshot(state_of(record, self.clock(), self.find_stored))

    def read(self, client_id: str, image_id: str, attempt: int | None = None) -> Snapshot:
        """Return a snapshot with the last execution, if needed. attempt: the one to describe; None: the last one.

        Raises StorageError, StepFunctionsError and ConfigurationError.
        """
        snapshot = self.read_record(client_id, image_id)
        if snapshot.is_decided:
            return snapshot
        if attempt is None:
            execution = self.executions.latest(client_id, image_id)
        else:
            execution = self.executions.describe(image_id, attempt) or NOT_SHOWN
        if execution is not None and not execution.is_running:
            # It may have changed the record between the two reads.
            snapshot = self.read_record(client_id, image_id)
        return snapshot if snapshot.is_decided else snapshot._replace(execution=execution)


def _progress(state: State) -> str:
    if isinstance(state, Free):
        return QUEUED
    return Status.GENERATED if state.record.status is Status.GENERATED else Status.STARTED
