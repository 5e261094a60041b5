"""Resolves the reservation of a purchase that has ended or died, from the record of its picture."""

from generate_image.aws.ledger import Ledger, Reservation
from generate_image.aws.records import RecordStore
from generate_image.deadline import Deadline
from generate_image.log import Log
from generate_image.money import NOTHING, MicroUsd, to_usd
from generate_image.picture import DAY_SECONDS, BoughtPicture
from generate_image.provider.models import cost_of
from generate_image.record import Record, Status
from generate_image.state import CLOCK_SKEW_SECONDS, Bought, Failed, FindStored, Free, InProgress, Stored, state_of

LONGEST_INVOCATION_SECONDS = 900 + 60.0
"""Lambda's longest timeout, and some clock skew. An older reservation is not that of a running invocation."""


class Resolver:
    """Reads records and settles their reservations."""

    def __init__(
        self, records: RecordStore, find_stored: FindStored, log: Log, deadline: Deadline, retention_days: int
    ) -> None:
        """retention_days: the lifetime of a picture and of its record."""
        self._records = records
        self._find_stored = find_stored
        self._log = log
        self._deadline = deadline
        self._retention_days = retention_days

    def resolved(self, ledger: Ledger, client_id: str, image_id: str) -> Ledger:
        """Return the ledger with a reservation settled by its record; unchanged while the purchase may still run."""
        reservation = ledger.open[image_id]
        record = self._records.read(client_id, image_id)
        now = self._deadline.clock()
        is_own = record is not None and record.holder == reservation.holder
        # The record of a later purchase, in another month or without a limit, says nothing about the bill of this one.
        is_known = record is None or is_own or record.lease_until <= reservation.until
        match state_of(record, now, self._find_stored):
            case InProgress():
                return ledger
            case Free(None):
                # A record lives as long as its picture. Before that, none means that no purchase started.
                lifetime = (self._retention_days - 1) * DAY_SECONDS
                is_unbought = now - reservation.reserved_at < max(lifetime, DAY_SECONDS)
                return ledger.settle(image_id, NOTHING if is_unbought else reservation.amount)
            case _ if not is_known:
                pass
            case Free(Record(status=Status.RELEASED)):
                return ledger.settle(image_id, NOTHING)
            case Failed(_, error) if error.nothing_billed:
                return ledger.settle(image_id, NOTHING)
            case Free(Record(bought=bought)) | Stored(Record(bought=bought)) | Bought(Record(bought=bought)):
                cost = cost_of_bought(bought)
                if cost is None or (cost > reservation.amount and not is_own):
                    cost = reservation.amount
                elif cost > reservation.amount:
                    self._log.settled_above_reservation(image_id, to_usd(cost), to_usd(reservation.amount))
                return ledger.settle(image_id, cost)
        self._log.settled_in_full(image_id, to_usd(reservation.amount))
        return ledger.settle(image_id, reservation.amount)


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
