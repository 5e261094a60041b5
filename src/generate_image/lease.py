"""The lease on a record: at most one invocation buys; the others get the current state of the request."""

from datetime import UTC, datetime

from generate_image.aws.records import RecordChangedError, RecordStore
from generate_image.deadline import Deadline
from generate_image.errors import GenerateImageError, IdempotencyKeyReusedError, RequestInProgressError
from generate_image.event import ImageRequest, image_id, request_hash
from generate_image.log import Log
from generate_image.record import Record, Status
from generate_image.settings import Settings, WhenOutcomeUnknown
from generate_image.state import (
    CLOCK_SKEW_SECONDS,
    Failed,
    FindStored,
    Free,
    InProgress,
    Stored,
    Unknown,
    is_held_by,
    state_of,
)

LONGEST_RETRY_AFTER_SECONDS = 10.0
LONGEST_LEASE_SECONDS = 900.0
"""Of an invocation: Lambda's longest timeout. A longer lease is that of a batch."""
BATCH_RETRY_AFTER_SECONDS = 300.0
"""Most batches end before their lease, so a retry need not wait for its end."""


def new_record(request: ImageRequest, settings: Settings, *, holder: str, lease_until: float) -> Record:
    """Return the record of a purchase that starts now. lease_until: seconds since the epoch."""
    return Record(
        status=Status.STARTED,
        client_id=request.client_id,
        image_id=image_id(request, settings),
        request_hash=request_hash(request, settings),
        holder=holder,
        lease_until=round(lease_until, 3),
        prompt=request.prompt,
        passed_through=request.passed_through,
        options=request.options,
    )


def refuse_reused_key(known_hash: str, request_hash: str) -> None:
    """Raise IdempotencyKeyReusedError if the key already belongs to another request."""
    if known_hash != request_hash:
        raise IdempotencyKeyReusedError(
            "This idempotency key belongs to another request: its prompt, credential, options, models or quality "
            "differ. Use a new key for a new picture."
        )


def in_progress(seconds: float, until: float) -> RequestInProgressError:
    """Return the error of a retry that is too early.

    seconds: the time that the lease has left. until: its end, in seconds since the epoch.
    """
    if seconds > LONGEST_LEASE_SECONDS + CLOCK_SKEW_SECONDS:
        end = datetime.fromtimestamp(until, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return RequestInProgressError(
            f"A batch is buying this picture and ends by {end}. Retry with the same idempotency key.",
            retry_after=BATCH_RETRY_AFTER_SECONDS,
        )
    return RequestInProgressError(
        "Another invocation is buying this picture. Retry with the same idempotency key.",
        retry_after=max(1.0, min(seconds, LONGEST_RETRY_AFTER_SECONDS)),
    )


class Leases:
    """Acquires and ends leases, and saves the progress of a purchase."""

    def __init__(
        self,
        records: RecordStore,
        find_stored: FindStored,
        log: Log,
        deadline: Deadline,
        when_outcome_unknown: WhenOutcomeUnknown,
    ) -> None:
        self._records = records
        self._find_stored = find_stored
        self._log = log
        self._deadline = deadline
        self._when_outcome_unknown = when_outcome_unknown

    def acquire(self, new: Record) -> Record:
        """Return the record to continue from. new: the record of a purchase that starts now.

        The result's status is ``started``: the lease is ours, and the picture is to be bought. ``generated``: the lease
        is ours, and the picture is to be downloaded. ``stored``: the picture is in S3. Raises the recorded error of a
        failed request, RequestInProgressError, IdempotencyKeyReusedError, OutcomeUnknownError, StorageError and
        ConfigurationError.
        """
        replacing: Record | None = None
        while True:
            wanted = new
            if replacing is not None and replacing.status is Status.GENERATED:
                wanted = replacing._replace(holder=new.holder, lease_until=new.lease_until)
            try:
                return self._records.write(wanted, replacing=replacing)
            except RecordChangedError as changed:
                replacing = changed.current
            if is_held_by(replacing, new):
                continue
            stored = self._stored_or_free(replacing, new.request_hash)
            if stored is not None:
                return stored

    def current(self, new: Record) -> Record | None:
        """Return the stored or bought record of a request, or None if a purchase may start. It acquires nothing.

        Raises the errors of ``acquire``.
        """
        record = self._records.read(new.client_id, new.image_id)
        if is_held_by(record, new):
            return None
        stored = self._stored_or_free(record, new.request_hash)
        is_bought = record is not None and record.status is Status.GENERATED
        return stored or (record if is_bought else None)

    def take_over(self, bought: Record, new: Record) -> Record:
        """Acquire the lease on a bought picture. Raises RequestInProgressError if another invocation was first."""
        wanted = bought._replace(holder=new.holder, lease_until=new.lease_until)
        try:
            return self._records.write(wanted, replacing=bought)
        except RecordChangedError:
            raise in_progress(1.0, new.lease_until) from None

    def save(self, record: Record, *, replacing: Record) -> Record:
        """Write the record. A failure is logged and ignored, because a replay reaches the same state."""
        try:
            return self._records.write(record, replacing=replacing)
        except GenerateImageError as error:
            self._log.record_not_written(record.status, error)
        except RecordChangedError:
            pass  # another invocation has saved this state
        return record

    def fail(self, error: GenerateImageError, *, replacing: Record) -> None:
        """Save an error as final. Every replay raises it again."""
        self.save(replacing._replace(status=Status.FAILED, error=error), replacing=replacing)

    def release(self, replacing: Record) -> None:
        """Save that nothing was billed. The next request with this key may buy."""
        self.save(replacing._replace(status=Status.RELEASED), replacing=replacing)

    def end(self, replacing: Record) -> None:
        """End the lease now, so that a retry need not wait for its expiry."""
        ended = round(self._deadline.clock() - CLOCK_SKEW_SECONDS, 3)
        self.save(replacing._replace(lease_until=ended), replacing=replacing)

    def _stored_or_free(self, record: Record | None, request_hash: str) -> Record | None:
        """Return the stored record that answers a request, or None if a purchase may replace the record."""
        now = self._deadline.clock()
        state = state_of(record, now, self._find_stored)
        if record is None or isinstance(state, Free):
            return None
        refuse_reused_key(record.request_hash, request_hash)
        match state:
            case Stored(found):
                return found if record.status is Status.STORED else self.save(found, replacing=record)
            case Failed(_, error):
                raise error
            case InProgress():
                raise in_progress(record.lease_until - now, record.lease_until)
            case Unknown(_, error) if self._when_outcome_unknown == "fail":
                if record.status is not Status.FAILED:
                    self.fail(error, replacing=record)
                raise error
        return None
