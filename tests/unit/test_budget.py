"""The budget of a client's month: limits, month boundaries, and the resolution of open reservations."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from generate_image.aws.ledger import Ledger
from generate_image.budget import RESOLVED_AT_ONCE, Budget
from generate_image.credentials import Credentials
from generate_image.errors import (
    BudgetExceededError,
    ConfigurationError,
    ContentRejectedError,
    GenerateImageError,
    OutcomeUnknownError,
    RequestInProgressError,
    StorageError,
)
from generate_image.money import NOTHING, MicroUsd
from generate_image.picture import BATCH, BoughtPicture, Usage
from generate_image.record import Record, Status
from generate_image.resolution import LONGEST_INVOCATION_SECONDS
from generate_image.settings import Settings
from generate_image.state import CLOCK_SKEW_SECONDS
from tests.proof.faults import Kind
from tests.unit.stores import LEASE_SECONDS, Stores

PICTURE = MicroUsd(40_000)
"""The price of dall-e-3, which has a fixed one."""
LARGE = MicroUsd(1_000_000)
DAY = 86_400.0
BOUGHT = BoughtPicture("dall-e-3", "req_1")
DEAR = BoughtPicture("gpt-image-2", "req_1", Usage(0, 7024, 7024))
DEAR_COST = 7024 * 30
BATCH_BOUGHT = BOUGHT._replace(pricing=BATCH)
EMPTY = Ledger()
START = datetime(2027, 1, 15, tzinfo=UTC).timestamp()
ANOTHER: dict[str, Any] = {"holder": "another"}
LATER = ANOTHER | {"lease_until": START + LEASE_SECONDS + 1}


class Month(Stores):
    """A client's budget on 2027-01-15, with the fixed price of dall-e-3."""

    def __init__(self, **settings: str) -> None:
        super().__init__(lifetime=10_000 * DAY)
        self.clock.now = START
        environ = {"IMAGE_BUCKET": "bucket", "IMAGE_NAMESPACE": "6f1c8a52-3f0e-4d0a-9a0b-5a5b1e0c7d11"}
        parsed = Settings.from_mapping(environ | {"IMAGE_MODELS": "dall-e-3"} | settings)
        self.budget = Budget(parsed, self.ledgers, self.records, self.find_stored, self.log, self.deadline)

    def at(self, moment: str) -> None:
        self.clock.now = datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp()

    def reserve(self, image_id: str = "one", limit: MicroUsd = PICTURE, client_id: str = "1") -> Record:
        record = self.new(image_id=image_id, client_id=client_id)
        self.budget.reserve(record, limit)
        return record

    def settle(self, record: Record, bought: BoughtPicture = BOUGHT) -> None:
        self.budget.settle(record._replace(bought=bought), record.holder)

    def resolve(self) -> None:
        """Resolve the open reservations when no invocation can use them."""
        self.clock.pass_by(LONGEST_INVOCATION_SECONDS + 1)
        self.budget.resolve_stale("1", "2027-01")

    def totals(self, month: str = "2027-01", client_id: str = "1") -> tuple[int, int]:
        """Return the settled and the reserved amount."""
        ledger = self.ledgers.read(client_id, month) or EMPTY
        return ledger.settled, ledger.reserved

    def holder_of(self, image_id: str) -> str:
        return (self.ledgers.read("1", "2027-01") or EMPTY).open[image_id].holder


@pytest.fixture
def month() -> Month:
    return Month()


def test_limit_of_one_picture_allows_one(month: Month) -> None:
    month.at("2027-01-31T12:34:56")
    month.reserve("one")
    with pytest.raises(BudgetExceededError, match=r"client 1 is 0\.0400 USD.* may cost 0\.0400 USD") as raised:
        month.reserve("two")
    month.reserve("two", client_id="2")
    assert raised.value.budget == {
        "limit_usd": 0.04,
        "settled_usd": 0.0,
        "reserved_usd": 0.04,
        "month_ends": "2027-02-01T00:00:00Z",
    }
    assert month.totals() == month.totals(client_id="2") == (0, PICTURE)
    month.at("2027-02-01")
    month.reserve("two")


@pytest.mark.parametrize(
    ("close", "settled", "logged"),
    [
        (lambda month, record: month.budget.free(record), 0, None),
        (lambda month, record: month.settle(record), PICTURE, None),
        (lambda month, record: month.budget.settle_in_full(record), PICTURE, "settled in full"),
        (lambda month, record: month.settle(record, DEAR), DEAR_COST, "settled above the reservation"),
        (lambda month, record: month.settle(record, BoughtPicture("dall-e-3-hd")), PICTURE, "settled in full"),
    ],
    ids=["free", "settle", "settle in full", "dearer", "unknown cost"],
)
@pytest.mark.parametrize("end", ["2027-01-31T23:59:59", "2027-02-15T00:00:30"])
def test_purchase_ends_in_the_month_of_its_reservation(
    month: Month,
    capsys: pytest.CaptureFixture[str],
    close: Callable[[Month, Record], None],
    settled: int,
    logged: str | None,
    end: str,
) -> None:
    month.at("2027-01-31T23:59:50")
    record = month.reserve("one")
    month.at(end)
    close(month, record)
    close(month, record)  # a repetition changes nothing
    assert (month.totals(), month.totals("2027-02")) == ((settled, 0), (0, 0))
    lines = [json.loads(line) for line in month.logged.getvalue().splitlines()]
    assert [(line["message"], line["image_id"], line["reserved_usd"]) for line in lines] == (
        [(logged, "one", 0.04)] if logged else []
    )
    assert ("SettledAboveReservation" in capsys.readouterr().out) == (settled > PICTURE)


def test_second_caller_waits_for_the_end_of_the_first(month: Month) -> None:
    """Its purchase would be covered by no reservation if the first caller freed the one that both use."""
    first = month.reserve("one")
    month.clock.pass_by(LEASE_SECONDS + CLOCK_SKEW_SECONDS - 1)
    with pytest.raises(RequestInProgressError) as raised:
        month.reserve("one")
    assert (raised.value.retry_after, month.holder_of("one")) == (1.0, first.holder)

    month.clock.pass_by(1)
    second = month.reserve("one")
    assert (month.holder_of("one"), month.totals()) == (second.holder, (0, PICTURE))
    month.budget.free(first)  # a caller closes its own reservation alone
    assert month.holder_of("one") == second.holder


def test_batch_reserves_half_and_leaves_other_reservations(month: Month) -> None:
    month.reserve("one")
    batch = [month.new(image_id=name, holder="shard") for name in ("one", "two", "three")]
    for _ in range(2):
        refused = month.budget.reserve_all(batch, MicroUsd(60_000))
        assert {name: type(error) for name, error in refused.items()} == {
            "one": RequestInProgressError,
            "three": BudgetExceededError,
        }
    assert month.totals() == (0, PICTURE + PICTURE // 2)

    month.budget.settle_all("1", "shard", {"one": None, "two": MicroUsd(15_000), "three": None})
    assert month.totals() == (15_000, PICTURE)
    month.clock.pass_by(LONGEST_INVOCATION_SECONDS + 1)
    assert month.budget.reserve_all(batch[1:], MicroUsd(55_000)) == {}, "the old reservation is resolved"


def test_batch_renewed_in_the_next_month_leaves_nothing_open(month: Month) -> None:
    batch = [month.new(image_id="one", holder="shard")]
    for time in ("2027-01-31T23:59:50", "2027-02-01T00:00:10"):
        month.at(time)
        assert month.budget.reserve_all(batch, MicroUsd(60_000)) == {}
    month.budget.settle_all("1", "shard", {"one": MicroUsd(15_000)})
    assert month.totals() == month.totals("2027-02") == (15_000, 0)


def test_lowered_limit_counts_at_once(month: Month) -> None:
    month.budget.settle_in_full(month.reserve("one", MicroUsd(100_000)))
    with pytest.raises(BudgetExceededError, match=r"client 1 is 0\.0800 USD"):
        month.reserve("two", MicroUsd(79_999))
    month.reserve("two", MicroUsd(80_000))
    assert (month.ledgers.read("1", "2027-01") or EMPTY).limit == 80_000


def test_clock_that_is_behind_leaves_its_reservation_open(month: Month) -> None:
    month.at("2027-02-01T00:00:01")
    record = month.reserve("one")
    month.at("2027-01-31T23:59:59")  # another environment's clock
    month.settle(record)
    assert month.totals("2027-02") == (0, PICTURE), "it is resolved from its record later"


@pytest.mark.parametrize(
    ("status", "fields", "settled"),
    [
        (None, {}, 0),
        (Status.RELEASED, {}, 0),
        (Status.FAILED, {"error": ContentRejectedError("Rejected.")}, 0),
        (Status.FAILED, {"error": OutcomeUnknownError("Unknown.")}, PICTURE),
        (Status.STARTED, {}, PICTURE),
        (Status.GENERATED, {"bought": BOUGHT}, PICTURE),
        # A batch can extend its leases.
        (Status.STORED, {"bought": BATCH_BOUGHT, "lease_until": 2_000_000_000.0}, PICTURE // 2),
        (Status.STORED, {"bought": DEAR}, DEAR_COST),
        (Status.STORED, {}, PICTURE),
        # The record of another purchase may hide a bill.
        (Status.RELEASED, ANOTHER, 0),
        (Status.RELEASED, LATER, PICTURE),
        (Status.STORED, LATER | {"bought": BATCH_BOUGHT}, PICTURE),
        (Status.STORED, ANOTHER | {"bought": DEAR}, PICTURE),  # bought by a caller without a limit
        (Status.STORED, ANOTHER, PICTURE),
    ],
    ids=range(14),
)
def test_stale_reservation_is_resolved_from_its_record(
    month: Month, status: Status | None, fields: dict[str, Any], settled: int
) -> None:
    record = month.reserve("one")
    if status is not None:
        month.existing(record._replace(status=status, **fields))
    month.resolve()
    assert month.totals() == (settled, 0)
    assert ("settled above the reservation" in month.logged.getvalue()) == (settled > PICTURE)


@pytest.mark.parametrize(("days", "settled"), [(5.9, 0), (6.1, PICTURE)])
def test_expired_record_counts_as_billed(month: Month, days: float, settled: int) -> None:
    month.reserve("one")
    month.clock.pass_by(days * DAY)  # the lifecycle rule deletes the record on day 7
    month.resolve()
    assert month.totals() == (settled, 0)


def test_running_purchase_is_not_resolved(month: Month) -> None:
    record = month.reserve("one")
    month.records.write(record._replace(lease_until=month.clock.now + DAY))
    month.resolve()
    with pytest.raises(BudgetExceededError):
        month.reserve("two")
    assert month.holder_of("one") == record.holder


def test_reservation_that_is_renewed_meanwhile_stays(month: Month) -> None:
    month.reserve("one")
    month.s3.writes = [Kind.CONFLICT]
    month.while_asleep = lambda: month.reserve("one")
    month.resolve()
    assert month.totals() == (0, PICTURE)


def test_twenty_old_reservations_are_resolved_at_once(month: Month) -> None:
    for number in range(RESOLVED_AT_ONCE + 1):
        month.reserve(str(number), LARGE)
    month.resolve()
    assert month.totals() == (0, PICTURE)
    month.reserve("young", LARGE)
    month.budget.resolve_stale("1", "2027-01")
    assert month.totals() == (0, PICTURE)
    assert not month.budget.resolve_stale("1", "2027-01")


@pytest.mark.parametrize(
    ("settings", "amount"),
    [
        ({"IMAGE_MODELS": "dall-e-3,gpt-image-2"}, 1756 * 30 + len("a cat") * 5),
        ({"IMAGE_MODELS": "gpt-image-2,dall-e-3"}, 1756 * 30 + len("a cat") * 5),
        ({"IMAGE_MODELS": "dall-e-3,model-of-a-host", "MAX_PICTURE_USD": "0.5"}, 500_000 + len("a cat") * 8),
        ({"IMAGE_MODELS": "dall-e-3,model-of-a-host", "MAX_PICTURE_USD": "0"}, None),
    ],
)
def test_dearest_model_of_the_list_is_reserved(settings: dict[str, str], amount: int | None) -> None:
    month = Month(**settings)
    if amount is None:
        with pytest.raises(ConfigurationError, match=r"model-of-a-host\. Set MaxPictureUsd"):
            month.reserve(limit=LARGE)
    else:
        month.reserve(limit=LARGE)
        assert month.totals() == (0, amount)


@pytest.mark.parametrize("faults", [[], [Kind.CONFLICT] * 5, [Kind.LOST], [Kind.CONFLICT, Kind.LOST]])
def test_contended_ledger_is_written_once(month: Month, faults: list[Kind | None]) -> None:
    month.s3.writes = list(faults)
    month.reserve("one")
    assert month.totals() == (0, PICTURE)
    assert month.waits == pytest.approx([0.0375, 0.075, 0.15, 0.3, 0.6][: faults.count(Kind.CONFLICT)])


def test_contention_ends_with_the_invocation(month: Month) -> None:
    month.deadline.start(1.0)
    month.s3.writes = [Kind.CONFLICT] * 100
    with pytest.raises(StorageError, match="did not store the ledger"):
        month.reserve("one")
    assert sum(month.waits) < 1.0


def test_repeated_reservation_changes_nothing(month: Month) -> None:
    """A write whose response was lost is recognized, also after another caller's reservation with a lower limit."""
    record = month.reserve("one", MicroUsd(PICTURE * 3))
    month.reserve("two", MicroUsd(PICTURE * 2))
    month.budget.reserve(record, MicroUsd(PICTURE * 3))
    assert (month.ledgers.read("1", "2027-01") or EMPTY).limit == PICTURE * 2


@pytest.mark.parametrize(("fault", "error"), [(Kind.ERROR, StorageError), (Kind.DENIED, ConfigurationError)])
def test_failed_write_reserves_and_settles_nothing(month: Month, fault: Kind, error: type[GenerateImageError]) -> None:
    month.s3.writes = [fault]
    with pytest.raises(error):
        month.reserve()
    month.s3.writes = [None, fault]
    month.settle(month.reserve())
    assert month.totals() == (0, PICTURE)
    assert "ledger not written" in month.logged.getvalue()


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"open": []}'])
def test_ledger_of_another_format_buys_nothing(month: Month, content: bytes) -> None:
    month.s3.put_object(Bucket="", Key="budgets/cli_1/2027-01.json", Body=content)
    with pytest.raises(ConfigurationError, match="ledger of an unknown format"):
        month.reserve()


def test_secret_replaces_the_limit() -> None:
    budget = Month(MONTHLY_BUDGET_USD="25").budget
    limits = [budget.limit_for(Credentials("sk-1", monthly_budget=own)) for own in (None, NOTHING, PICTURE)]
    assert limits == [25_000_000, 0, PICTURE]
