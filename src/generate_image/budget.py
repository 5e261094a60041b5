"""A client's monthly budget: settled + reserved ≤ limit at every moment. docs/budget.md has the promise and its proof.

The price bound of a picture is reserved before its lease is acquired, and only one invocation has a reservation for a
picture. It frees or settles its own reservation alone: another could be that of a purchase that starts now. A
reservation that a crash left behind is resolved from its record.
"""

from collections.abc import Mapping, Sequence

from generate_image.aws.ledger import Ledger, LedgerStore, Reservation, in_usd, month_of, this_and_last_month
from generate_image.aws.records import RecordStore
from generate_image.credentials import Credentials
from generate_image.deadline import Deadline
from generate_image.errors import BudgetExceededError, ConfigurationError, GenerateImageError, RequestInProgressError
from generate_image.lease import in_progress
from generate_image.log import Log
from generate_image.money import NOTHING, MicroUsd, to_usd
from generate_image.picture import BATCH
from generate_image.provider.models import discounted, largest_cost_of, refusal
from generate_image.record import Record
from generate_image.resolution import cost_by_record, cost_of_bought, is_stale, unexpired_seconds
from generate_image.settings import Settings
from generate_image.state import FindStored, InProgress, state_of

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

    def reserve(self, new: Record, limit: MicroUsd) -> None:
        """Reserve the price bound of a purchase that starts now.

        Raises RequestInProgressError while another invocation may buy the picture, BudgetExceededError,
        ConfigurationError if no price bound is known, and StorageError.
        """
        for error in self._reserve([new], limit).values():
            raise error

    def resolve_stale(self, client_id: str, month: str) -> bool:
        """Resolve old reservations from their records. Return whether there were any."""
        now = self._deadline.clock()
        ledger = self._ledgers.read(client_id, month) or Ledger()
        stale = [image_id for image_id, reservation in ledger.open.items() if is_stale(reservation, now)]

        def resolve(ledger: Ledger) -> Ledger:
            for image_id in stale[:RESOLVED_AT_ONCE]:
                reservation = ledger.open.get(image_id)
                if reservation is not None and is_stale(reservation, now):
                    ledger = self._resolved(ledger, client_id, image_id)
            return ledger

        if stale:
            self._ledgers.change(client_id, month, resolve)
        return bool(stale)

    def reserve_all(self, news: Sequence[Record], limit: MicroUsd) -> dict[str, GenerateImageError]:
        """Reserve the price bounds of a client's batch in one write. Return the errors of the others, by image id.

        They are BudgetExceededError and RequestInProgressError. A repetition by the same holder renews its
        reservations. Raises ConfigurationError if no price bound is known, and StorageError.
        """
        return self._reserve(news, limit, BATCH)

    def settle_all(self, client_id: str, holder: str, costs: Mapping[str, MicroUsd | None]) -> None:
        """Settle a holder's reservations of this month and the last. costs: by image id; None: in full.

        A reservation of another holder stays. Raises StorageError and ConfigurationError; then call it again.
        """
        for month in this_and_last_month(self._deadline.clock()):
            self._settle(client_id, month, holder, costs)

    def settle(self, record: Record, buyer: str) -> None:
        """Replace the reservation of a bought picture by its cost. A failure is logged: the record keeps the truth.

        buyer: the invocation that reserved; ``record`` may have another holder, who downloaded the picture.
        """
        self._close(record, cost_of_bought(record.bought), buyer)

    def settle_in_full(self, record: Record) -> None:
        """Settle the whole reservation, because the picture may be billed."""
        self._close(record, None, record.holder)

    def free(self, record: Record) -> None:
        """Drop the reservation of the record's holder, because nothing was billed."""
        self._close(record, NOTHING, record.holder)

    def _reserve(
        self, news: Sequence[Record], limit: MicroUsd, pricing: str | None = None
    ) -> dict[str, GenerateImageError]:
        now, client_id = self._deadline.clock(), news[0].client_id
        wanted = [
            (new, Reservation(discounted(self._bound(new), pricing), now, new.holder, new.lease_until)) for new in news
        ]
        refused: dict[str, GenerateImageError] = {}

        def add(ledger: Ledger) -> Ledger:
            refused.clear()
            for new, reservation in wanted:
                try:
                    ledger = self._with_reservation(ledger, new, reservation, limit)
                except (BudgetExceededError, RequestInProgressError) as error:
                    refused[new.image_id] = error
            return ledger

        month = month_of(now)
        self._ledgers.change(client_id, month, add)
        is_exceeded = any(isinstance(error, BudgetExceededError) for error in refused.values())
        if is_exceeded and self.resolve_stale(client_id, month):
            self._ledgers.change(client_id, month, add)
        return refused

    def _with_reservation(self, ledger: Ledger, new: Record, reservation: Reservation, limit: MicroUsd) -> Ledger:
        """Return the ledger with a reservation. Raises RequestInProgressError, BudgetExceededError and StorageError."""
        earlier, now = ledger.open.get(new.image_id), reservation.reserved_at
        if earlier == reservation:
            return ledger
        if earlier is not None and earlier.holder != new.holder:
            seconds = unexpired_seconds(earlier, now)
            if seconds <= 0:
                ledger = self._resolved(ledger, new.client_id, new.image_id)
            if new.image_id in ledger.open:
                raise in_progress(seconds, earlier.until)
        changed = ledger._replace(limit=limit).with_reservation(new.image_id, reservation)
        if changed.settled + changed.reserved > limit:
            amounts = in_usd(ledger._replace(limit=limit), now)
            raise BudgetExceededError.of_client(new.client_id, amounts, to_usd(reservation.amount))
        return changed

    def _resolved(self, ledger: Ledger, client_id: str, image_id: str) -> Ledger:
        """Return the ledger with a reservation settled by its record; unchanged while the purchase may still run."""
        now = self._deadline.clock()
        state = state_of(self._records.read(client_id, image_id), now, self._find_stored)
        if isinstance(state, InProgress):
            return ledger
        amount = ledger.open[image_id].amount
        cost = cost_by_record(ledger.open[image_id], state, now, self._settings.picture_retention_days)
        self._log_settled(image_id, cost, amount)
        return ledger.settle(image_id, amount if cost is None else cost)

    def _settle(self, client_id: str, month: str, holder: str, costs: Mapping[str, MicroUsd | None]) -> bool:
        """Settle a holder's reservations of one month. Return whether there were any."""
        reserved: dict[str, MicroUsd] = {}

        def close(ledger: Ledger) -> Ledger:
            for image_id, cost in costs.items():
                reservation = ledger.open.get(image_id)
                if reservation is not None and reservation.holder == holder:
                    reserved[image_id] = reservation.amount
                    ledger = ledger.settle(image_id, reservation.amount if cost is None else cost)
            return ledger

        self._ledgers.change(client_id, month, close)
        for image_id, amount in reserved.items():
            self._log_settled(image_id, costs[image_id], amount)
        return bool(reserved)

    def _log_settled(self, image_id: str, cost: MicroUsd | None, reserved: MicroUsd) -> None:
        if cost is None:
            self._log.settled_in_full(image_id, to_usd(reserved))
        elif cost > reserved:
            self._log.settled_above_reservation(image_id, to_usd(cost), to_usd(reserved))

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

    def _close(self, record: Record, cost: MicroUsd | None, holder: str) -> None:
        try:
            for month in this_and_last_month(self._deadline.clock()):
                if self._settle(record.client_id, month, holder, {record.image_id: cost}):
                    return
        except GenerateImageError as error:
            self._log.ledger_not_written(error)
