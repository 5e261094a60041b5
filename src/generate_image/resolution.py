"""The cost of a purchase that has ended or died, for its reservation, from the record of its picture."""

from generate_image.aws.ledger import Reservation
from generate_image.money import NOTHING, MicroUsd
from generate_image.picture import DAY_SECONDS, BoughtPicture
from generate_image.provider.models import cost_of
from generate_image.record import Record, Status
from generate_image.state import CLOCK_SKEW_SECONDS, Bought, Failed, Free, State, Stored

LONGEST_INVOCATION_SECONDS = 900 + 60.0
"""Lambda's longest timeout, and some clock skew. An older reservation is not that of a running invocation."""


def cost_by_record(reservation: Reservation, state: State, now: float, retention_days: int) -> MicroUsd | None:
    """Return the cost of a reservation's purchase, which is not in progress; None if it is not known.

    state: of the picture's record. now: seconds since the epoch. retention_days: the lifetime of a picture and of its
    record.
    """
    record = state.record
    if record is None:
        # A record lives as long as its picture. Before that, none means that no purchase started.
        lifetime = max(retention_days - 1, 1) * DAY_SECONDS
        return NOTHING if now - reservation.reserved_at < lifetime else None
    is_own = record.holder == reservation.holder
    if not is_own and record.lease_until > reservation.until:
        # The record of a later purchase, in another month or without a limit, says nothing about the bill of this one.
        return None
    match state:
        case Free(Record(status=Status.RELEASED)):
            return NOTHING
        case Failed(_, error) if error.nothing_billed:
            return NOTHING
        case Free(Record(bought=bought)) | Stored(Record(bought=bought)) | Bought(Record(bought=bought)):
            cost = cost_of_bought(bought)
            return cost if cost is None or is_own else MicroUsd(min(cost, reservation.amount))
    return None


def is_stale(reservation: Reservation, now: float) -> bool:
    """Return whether neither an invocation nor a batch can still use a reservation."""
    return max(reservation.reserved_at + LONGEST_INVOCATION_SECONDS, reservation.until) < now


def unexpired_seconds(reservation: Reservation, now: float) -> float:
    """Return the seconds in which the holder of a reservation may still acquire the lease."""
    end = min(reservation.until, reservation.reserved_at + LONGEST_INVOCATION_SECONDS)
    return end + CLOCK_SKEW_SECONDS - now


def cost_of_bought(bought: BoughtPicture | None) -> MicroUsd | None:
    """Return the cost of a purchase; None if it is not known."""
    return cost_of(bought.model, bought.usage, bought.pricing) if bought else None
