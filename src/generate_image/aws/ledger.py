"""The ledger of a client's month in S3: the settled total and the open reservations.

It is written only under a condition, so of several writers one wins and the others start again from its version.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from generate_image.aws.call import ExpectedAwsError
from generate_image.aws.documents import DocumentStore
from generate_image.deadline import Deadline
from generate_image.errors import ConfigurationError, StorageError
from generate_image.money import NOTHING, MicroUsd, to_usd

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 2.0


class Reservation(NamedTuple):
    """Money that is set aside for one picture. holder: the id of the invocation or of the batch's shard.

    reserved_at: seconds since the epoch. until: the end of the holder's lease, once it is acquired.
    """

    amount: MicroUsd
    reserved_at: float
    holder: str
    until: float = 0.0


class Ledger(NamedTuple):
    """One month. limit: the one that the last reservation had. open: reservations by image id."""

    limit: MicroUsd = NOTHING
    settled: MicroUsd = NOTHING
    open: Mapping[str, Reservation] = MappingProxyType({})

    @property
    def reserved(self) -> MicroUsd:
        """The sum of the open reservations."""
        return MicroUsd(sum(reservation.amount for reservation in self.open.values()))

    def with_reservation(self, image_id: str, reservation: Reservation) -> "Ledger":
        """Return a ledger with one more reservation, which replaces one of the same image id."""
        return self._replace(open={**self.open, image_id: reservation})

    def settle(self, image_id: str, cost: MicroUsd) -> "Ledger":
        """Return a ledger without this reservation and with its cost in the settled total."""
        rest = {name: reservation for name, reservation in self.open.items() if name != image_id}
        return self._replace(settled=MicroUsd(self.settled + cost), open=rest)

    def to_json(self) -> bytes:
        """Return the object that S3 stores."""
        open_reservations = {image_id: reservation._asdict() for image_id, reservation in self.open.items()}
        return json.dumps({"limit": self.limit, "settled": self.settled, "open": open_reservations}).encode()

    @classmethod
    def from_json(cls, content: bytes) -> "Ledger":
        """Return the ledger of an S3 object. Raises ConfigurationError for an object of another format."""
        try:
            fields = json.loads(content)
            reservations = {image_id: Reservation(**reservation) for image_id, reservation in fields["open"].items()}
            return cls(MicroUsd(fields["limit"]), MicroUsd(fields["settled"]), reservations)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ConfigurationError("The bucket holds a ledger of an unknown format. Nothing was bought.") from error


def month_of(moment: float) -> str:
    """Return the calendar month in UTC, such as ``2026-11``. moment: seconds since the epoch."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m")


def this_and_last_month(now: float) -> Iterator[str]:
    """Yield the months that a reservation may be in: a purchase counts where it was reserved."""
    yield month_of(now)
    first = datetime.fromtimestamp(now, UTC).replace(day=1)
    yield month_of((first - timedelta(days=1)).timestamp())


def in_usd(ledger: Ledger, now: float) -> dict[str, Any]:
    """Return a ledger's amounts in US dollars, and the first moment of the next month. now: seconds since the epoch."""
    return {
        "limit_usd": to_usd(ledger.limit),
        "settled_usd": to_usd(ledger.settled),
        "reserved_usd": to_usd(ledger.reserved),
        "month_ends": _end_of_month(now),
    }


def _end_of_month(now: float) -> str:
    first = datetime.fromtimestamp(now, UTC).replace(day=1, hour=0, minute=0, second=0)
    return (first + timedelta(days=32)).replace(day=1).strftime("%Y-%m-%dT%H:%M:%SZ")


class LedgerStore(DocumentStore):
    """Reads and changes ledgers."""

    kind = "ledger"

    def __init__(
        self,
        client: "S3Client",
        bucket: str,
        deadline: Deadline,
        *,
        sleep: Callable[[float], None],
        random: Callable[[], float],
    ) -> None:
        """random: returns 0 to 1."""
        super().__init__(client, bucket, sleep=sleep)
        self._deadline = deadline
        self._random = random

    def read(self, client_id: str, month: str) -> Ledger | None:
        """Return the ledger, or None if there is none. Raises StorageError and ConfigurationError."""
        document = self._get(_key(client_id, month))
        return Ledger.from_json(document.content) if document else None

    def change(self, client_id: str, month: str, change: Callable[[Ledger], Ledger]) -> None:
        """Apply ``change`` to the current ledger and write the result.

        ``change`` may be called again for a newer version. It returns its argument if nothing is left to do: so a write
        whose response was lost is recognized. Raises its exceptions, StorageError and ConfigurationError.
        """
        key = _key(client_id, month)
        pause = FIRST_PAUSE_SECONDS
        failure: StorageError | None = None
        while True:
            document = self._get(key)
            ledger = Ledger.from_json(document.content) if document else Ledger()
            changed = change(ledger)
            if changed == ledger:
                return
            if failure is not None:
                raise failure
            try:
                self._put(key, changed.to_json(), document.etag if document else "")
            except ExpectedAwsError as error:
                if pause >= self._deadline.remaining():
                    raise self._not_stored(error) from error
            except StorageError as error:
                failure = error  # the write may have taken effect
                continue
            else:
                return
            self._sleep(pause * (0.5 + self._random() / 2))
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


def _key(client_id: str, month: str) -> str:
    return f"budgets/cli_{client_id}/{month}.json"
