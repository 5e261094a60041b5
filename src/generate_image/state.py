"""The meaning of a record. Only this module interprets one."""

from collections.abc import Callable
from typing import NamedTuple

from generate_image.aws.pictures import PictureStore
from generate_image.errors import GenerateImageError, OutcomeUnknownError
from generate_image.provider.models import cost_usd
from generate_image.record import Record, Status

CLOCK_SKEW_SECONDS = 5.0
"""The largest difference between two clocks. A lease counts as expired only so long after its end."""


class Free(NamedTuple):
    """A purchase may start: there is no record, nothing was billed, or the picture's lifetime is over."""

    record: Record | None


class InProgress(NamedTuple):
    """An invocation holds the lease."""

    record: Record


class Bought(NamedTuple):
    """The picture is paid for and not in S3, and no invocation holds the lease."""

    record: Record


class Stored(NamedTuple):
    """The picture is in S3. The record has status ``stored``, even where S3's version does not have it yet."""

    record: Record


class Failed(NamedTuple):
    """The request ended in a final error."""

    record: Record
    error: GenerateImageError


class Unknown(NamedTuple):
    """The picture may be billed and is not in S3."""

    record: Record
    error: OutcomeUnknownError


State = Free | InProgress | Bought | Stored | Failed | Unknown
FindStored = Callable[[Record], Record | None]
"""Returns the record with status ``stored`` if its picture is in S3, else None."""


def state_of(record: Record | None, now: float, find_stored: FindStored) -> State:  # noqa: PLR0911  # one for each state
    """Return the meaning of a record. now: seconds since the epoch."""
    if record is None or record.status is Status.RELEASED:
        return Free(record)
    error = record.error
    if error is not None and not isinstance(error, OutcomeUnknownError):
        return Failed(record, error)
    if record.status in (Status.STARTED, Status.GENERATED) and record.lease_until + CLOCK_SKEW_SECONDS > now:
        return InProgress(record)
    found = find_stored(record)
    if found is not None:
        return Stored(found)
    if record.status is Status.STORED:
        return Free(record)
    if record.status is Status.GENERATED:
        return Bought(record)
    return Unknown(record, error or _outcome_unknown())


def find_stored_with(pictures: PictureStore) -> FindStored:
    """Return a function that looks in S3. It raises StorageError and ConfigurationError."""

    def find_stored(record: Record) -> Record | None:
        if record.stored is not None:
            return record if pictures.exists(record.stored.key) else None
        found = pictures.find(record.client_id, record.image_id, record.request_hash)
        if found is None:
            return None
        cost = cost_usd(found.bought.model, found.bought.usage, found.bought.pricing)
        facts = found.bought._replace(cost_usd=cost)
        return record._replace(status=Status.STORED, bought=record.bought or facts, stored=found.stored, error=None)

    return find_stored


def _outcome_unknown() -> OutcomeUnknownError:
    return OutcomeUnknownError(
        "The invocation that bought this picture ended without a result: the picture may be billed. Only a new "
        "idempotency key buys another."
    )


def is_held_by(record: Record | None, new: Record) -> bool:
    """Return whether ``new`` continues this record: the same holder, and no outcome yet.

    A holder knows the outcome of its own purchase, also after its lease has expired.
    """
    if record is None or not is_open(record):
        return False
    return (record.holder, record.request_hash) == (new.holder, new.request_hash)


def is_open(record: Record) -> bool:
    """Return whether a record has no outcome yet."""
    return record.status is Status.STARTED or isinstance(record.error, OutcomeUnknownError)
