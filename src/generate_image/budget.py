"""A client's monthly budget: settled + reserved ≤ limit at every moment. docs/budget.md has the promise and its proof.

The price bound of a picture is reserved before its lease is acquired. Only the holder of the lease frees or settles
the reservation. A reservation that a crash left behind is resolved from its record.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from generate_image.aws.ledger import Ledger, LedgerStore, Reservation, month_of
from generate_image.aws.records import RecordStore
from generate_image.credentials import Credentials
from generate_image.deadline import Deadline
from generate_image.errors import BudgetExceededError, ConfigurationError, GenerateImageError
from generate_image.lease import Bought, Failed, FindStored, Free, InProgress, Stored, state_of
from generate_image.log import Log
from generate_image.money import NOTHING, MicroUsd, to_usd
from generate_image.picture import BATCH, DAY_SECONDS, BoughtPicture
from generate_image.provider.models import cost_of, discounted, largest_cost_of, refusal
from generate_image.record import Record, Status
from generate_image.settings import Settings

LONGEST_INVOCATION_SECONDS = 900 + 60.0
"""Lambda's longest timeout, and some clock skew. An older reservation is not that of a running invocation."""
RESOLVED_AT_ONCE = 20


class Budget:
    """Reserves, settles and frees money of a client's month. Without a limit it does nothing and reads nothing."""

    def __init__(
        self,
        settings: Settings,
        ledgers: LedgerStore,
        records: RecordStore,
        find_stored: FindStored,
        log: Log,
        deadline: Deadline,
    ) -> None:
        self._settings = settings
        self._ledgers = ledgers
        self._records = records
        self._find_stored = find_stored
        self._log = log
        self._deadline = deadline

    def limit_for(self, credentials: Credentials) -> MicroUsd:
        """Return the limit of a purchase with these credentials; 0: none."""
        own = credentials.monthly_budget
        return self._settings.monthly_budget_usd if own is None else own

    def reserve(self, new: Record, limit: MicroUsd) -> bool:
        """Reserve the price bound of a purchase that starts now. Return whether the reservation is only for it.

        False: it replaces that of another invocation, which may still buy. Raises BudgetExceededError,
        ConfigurationError if no price bound is known, and StorageError.
        """
        amount = self._bound(new)
        now = self._deadline.clock()
        reservation = Reservation(amount, now, new.holder)
        replaced: list[Reservation] = []

        def add(ledger: Ledger) -> Ledger:
            earlier = ledger.open.get(new.image_id)
            if earlier is not None and earlier.holder == new.holder:
                return ledger
            if earlier is not None:
                replaced.append(earlier)
                ledger = self._resolved(ledger, new.client_id, new.image_id)
                if new.image_id in ledger.open:
                    return ledger  # another invocation is buying, so the lease will be refused
            changed = ledger._replace(limit=limit).with_reservation(new.image_id, reservation)
            if changed.settled + changed.reserved > limit:
                amounts = in_usd(ledger._replace(limit=limit), now)
                raise BudgetExceededError.of_client(new.client_id, amounts, to_usd(amount))
            return changed

        month = month_of(now)
        try:
            self._ledgers.change(new.client_id, month, add)
        except BudgetExceededError:
            if not self.resolve_stale(new.client_id, month):
                raise
            self._ledgers.change(new.client_id, month, add)
        return not replaced

    def free_unused(self, new: Record) -> None:
        """Drop a reservation that ``reserve`` returned True for, because its lease was not acquired."""
        self._close(new, NOTHING, holder=new.holder)

    def resolve_stale(self, client_id: str, month: str) -> bool:
        """Resolve old reservations from their records. Return whether there were any."""
        now = self._deadline.clock()
        ledger = self._ledgers.read(client_id, month) or Ledger()
        stale = [image_id for image_id, reservation in ledger.open.items() if _is_stale(reservation, now)]

        def resolve(ledger: Ledger) -> Ledger:
            for image_id in stale[:RESOLVED_AT_ONCE]:
                reservation = ledger.open.get(image_id)
                if reservation is not None and _is_stale(reservation, now):
                    ledger = self._resolved(ledger, client_id, image_id)
            return ledger

        if stale:
            self._ledgers.change(client_id, month, resolve)
        return bool(stale)

    def reserve_all(self, news: Sequence[Record], limit: MicroUsd) -> dict[str, BudgetExceededError]:
        """Reserve the price bounds of a client's batch in one write. Return the errors of the records without room.

        The errors are by image id. A repetition by the same holder keeps its reservations. Raises ConfigurationError if
        no price bound is known, and StorageError.
        """
        now, client_id = self._deadline.clock(), news[0].client_id
        wanted = {
            new.image_id: Reservation(discounted(self._bound(new), BATCH), now, new.holder, new.lease_until)
            for new in news
        }
        refused: dict[str, BudgetExceededError] = {}

        def add(ledger: Ledger) -> Ledger:
            refused.clear()
            for image_id, reservation in wanted.items():
                earlier = ledger.open.get(image_id)
                if earlier is not None and earlier.holder != reservation.holder:
                    ledger = self._resolved(ledger, client_id, image_id)
                if image_id in ledger.open:
                    continue
                changed = ledger._replace(limit=limit).with_reservation(image_id, reservation)
                if changed.settled + changed.reserved > limit:
                    amounts = in_usd(ledger._replace(limit=limit), now)
                    refused[image_id] = BudgetExceededError.of_client(client_id, amounts, to_usd(reservation.amount))
                else:
                    ledger = changed
            return ledger

        month = month_of(now)
        self._ledgers.change(client_id, month, add)
        if refused and self.resolve_stale(client_id, month):
            self._ledgers.change(client_id, month, add)
        return refused

    def settle_all(self, client_id: str, holder: str, costs: Mapping[str, MicroUsd | None]) -> None:
        """Settle the reservations of a batch in one write for each month. costs: by image id; None: in full.

        A reservation of another holder stays. Raises StorageError and ConfigurationError; then call it again.
        """

        def close(ledger: Ledger) -> Ledger:
            for image_id, cost in costs.items():
                reservation = ledger.open.get(image_id)
                if reservation is None or reservation.holder != holder:
                    continue
                if cost is not None and cost > reservation.amount:
                    self._log.settled_above_reservation(image_id, to_usd(cost), to_usd(reservation.amount))
                ledger = ledger.settle(image_id, reservation.amount if cost is None else cost)
            return ledger

        for month in _this_and_last(self._deadline.clock()):
            self._ledgers.change(client_id, month, close)

    def settle(self, record: Record) -> None:
        """Replace the reservation of a bought picture by its cost. A failure is logged: the record keeps the truth."""
        self._close(record, _cost(record.bought))

    def settle_in_full(self, record: Record) -> None:
        """Settle the whole reservation, because the picture may be billed."""
        self._close(record, None)

    def free(self, record: Record) -> None:
        """Drop the reservation, because nothing was billed. The lease must still be held."""
        self._close(record, NOTHING)

    def _bound(self, new: Record) -> MicroUsd:
        """Return the largest cost of the models that take the prompt and the options."""
        settings, bound = self._settings, NOTHING
        for model in (model for model in settings.image_models if not refusal(model, new.prompt, new.options)):
            cost = largest_cost_of(model, new.prompt, settings.image_quality, new.options, settings.max_picture_usd)
            if cost is None:
                raise ConfigurationError(
                    f"A budget needs a price bound, and none is known for the model {model}. Set MaxPictureUsd."
                )
            bound = max(bound, cost)
        return bound

    def _close(self, record: Record, cost: MicroUsd | None, *, holder: str = "") -> None:
        """Settle a reservation of this month or the last. cost: None for all of it. holder: close no other's."""
        found: list[Reservation] = []

        def close(ledger: Ledger) -> Ledger:
            reservation = ledger.open.get(record.image_id)
            if reservation is None or (holder and reservation.holder != holder):
                return ledger
            found.append(reservation)
            return ledger.settle(record.image_id, reservation.amount if cost is None else cost)

        try:
            for month in _this_and_last(self._deadline.clock()):
                self._ledgers.change(record.client_id, month, close)
                if found:
                    break
            if found and cost is None:
                self._log.settled_in_full(record.image_id, to_usd(found[0].amount))
        except GenerateImageError as error:
            self._log.ledger_not_written(error)
        if found and cost is not None and cost > found[0].amount:
            self._log.settled_above_reservation(record.image_id, to_usd(cost), to_usd(found[0].amount))

    def _resolved(self, ledger: Ledger, client_id: str, image_id: str) -> Ledger:
        """Return the ledger with a reservation settled by its record; unchanged while the purchase may still run."""
        reservation = ledger.open[image_id]
        record = self._records.read(client_id, image_id)
        now = self._deadline.clock()
        match state_of(record, now, self._find_stored):
            case InProgress():
                return ledger
            case Free(None):
                # A record lives as long as its picture. Before that, none means that no purchase started.
                lifetime = (self._settings.picture_retention_days - 1) * DAY_SECONDS
                is_unbought = now - reservation.reserved_at < max(lifetime, DAY_SECONDS)
                return ledger.settle(image_id, NOTHING if is_unbought else reservation.amount)
            case Free(Record(status=Status.RELEASED)):
                return ledger.settle(image_id, NOTHING)
            case Failed(_, error) if error.nothing_billed:
                return ledger.settle(image_id, NOTHING)
            case Free(Record(bought=bought)) | Stored(Record(bought=bought)) | Bought(Record(bought=bought)):
                cost = _cost(bought)
                return ledger.settle(image_id, reservation.amount if cost is None else cost)
        self._log.settled_in_full(image_id, to_usd(reservation.amount))
        return ledger.settle(image_id, reservation.amount)


def _is_stale(reservation: Reservation, now: float) -> bool:
    """Return whether neither an invocation nor a batch can still use a reservation."""
    return max(reservation.reserved_at + LONGEST_INVOCATION_SECONDS, reservation.until) < now


def _cost(bought: BoughtPicture | None) -> MicroUsd | None:
    return cost_of(bought.model, bought.usage, bought.pricing) if bought else None


def _this_and_last(now: float) -> Iterator[str]:
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
