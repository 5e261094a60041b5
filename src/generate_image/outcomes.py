"""What has become of a picture, told from its record and, where that does not settle it, from its execution.

It writes nothing: finishing a record is the matter of whoever buys.
"""

from dataclasses import dataclass, replace

from generate_image.deadline import Deadline
from generate_image.errors import DownloadError, GenerateImageError, OutcomeUnknownError
from generate_image.executions import Execution, Executions
from generate_image.picture_details import details_found
from generate_image.records import Record, Records, Status
from generate_image.storage import PictureStore

QUEUED = "queued"
"""How far a picture has come of which nothing was bought yet; else it is the record's status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """At most one of ``stored``, ``pending`` and ``error`` is there; none where there is no such picture.

    stored: the record that the answer is told from. pending: how far it has come. error: what it ended with. final:
    the error is what this key stands for, whoever asks again. record: the one that binds the key. execution: the last.
    """

    stored: Record | None = None
    pending: str = ""
    error: GenerateImageError | None = None
    final: bool = False
    record: Record | None = None
    execution: Execution | None = None


class Outcomes:
    """Looks at records, pictures and executions."""

    def __init__(self, records: Records, pictures: PictureStore, executions: Executions | None) -> None:
        """With no executions where there is no state machine."""
        self._records = records
        self._pictures = pictures
        self._executions = executions

    def look(self, client_id: str, image_id: str, deadline: Deadline) -> Outcome:
        """Return what has become of a client's picture. Raises StorageError and ConfigurationError."""
        record = self._records.read(client_id, image_id, deadline)
        while True:
            outcome = self._told_by_record(record, deadline)
            if outcome is not None:
                return outcome
            execution = self._executions.latest(client_id, image_id, deadline) if self._executions else None
            if execution is not None and execution.is_running:
                return _told_by_running(record, execution)
            again = self._records.read(client_id, image_id, deadline) if execution else record
            if again == record:
                return self._told_by_ended(record, execution, deadline)
            record = again  # the execution ended between the two looks

    def _told_by_record(self, record: Record | None, deadline: Deadline) -> Outcome | None:
        """Return what a record settles by itself."""
        if record is None:
            return None
        if record.status is Status.STORED and self._pictures.exists(record.picture["key"], deadline):
            return Outcome(stored=record, record=record)
        if record.status is Status.FAILED:
            error = GenerateImageError.from_dict(record.error)
            # An unknown outcome may yet turn out well: the picture reaches S3, or the operator has it bought again.
            return None if isinstance(error, OutcomeUnknownError) else Outcome(error=error, final=True, record=record)
        if record.status in (Status.STARTED, Status.GENERATED) and self._records.is_held(record):
            return Outcome(pending=record.status, record=record)
        return None

    def _told_by_ended(self, record: Record | None, execution: Execution | None, deadline: Deadline) -> Outcome:
        """Return what is left where nobody is at work: the last execution has ended, or there never was one."""
        failure = execution.failure() if execution else None
        if record is None:
            return Outcome(error=failure, execution=execution)
        if record.status is Status.STORED:  # its picture's lifetime is over, and the key new again
            was_after = execution is not None and execution.started > record.until
            return Outcome(error=failure if was_after else None, execution=execution)
        if record.status is Status.GENERATED:
            failure = failure or DownloadError(
                "The picture was bought and not fetched yet. Ask for it again with the same idempotency key: that buys "
                "nothing."
            )
        if record.status in (Status.RELEASED, Status.GENERATED):
            return Outcome(error=failure, record=record, execution=execution)
        found = self._pictures.find(record.client_id, record.image_id, deadline)
        if found is not None and found.metadata.get("request-hash") == record.request_hash:
            stored = replace(record, status=Status.STORED, error={}, picture=details_found(found))
            return Outcome(stored=stored, record=record)
        return Outcome(error=_unknown(record), record=record, execution=execution)


def _told_by_running(record: Record | None, execution: Execution) -> Outcome:
    if record is None or record.status is Status.STORED:  # whose picture's lifetime is over
        return Outcome(pending=QUEUED, execution=execution)
    if record.status is Status.RELEASED:
        return Outcome(pending=QUEUED, record=record, execution=execution)
    status = Status.GENERATED if record.status is Status.GENERATED else Status.STARTED
    return Outcome(pending=status, record=record, execution=execution)


def _unknown(record: Record) -> GenerateImageError:
    if record.error:
        return GenerateImageError.from_dict(record.error)
    return OutcomeUnknownError(
        "The call that was buying this picture ended without telling what came of it: it may have been billed. Only a "
        "new idempotency key buys another."
    )
