"""The budget of a client's month: limits, month boundaries, and the resolution of open reservations."""

import json
from datetime import UTC, datetime
from io import StringIO
from typing import TYPE_CHECKING, cast
from uuid import uuid4

import pytest

from generate_image.aws.ledger import Ledger, LedgerStore
from generate_image.aws.pictures import PictureStore
from generate_image.aws.records import RecordStore
from generate_image.budget import Budget
from generate_image.credentials import parse_credentials
from generate_image.deadline import Deadline
from generate_image.errors import (
    BudgetExceededError,
    ConfigurationError,
    ContentRejectedError,
    CredentialsError,
    GenerateImageError,
    OutcomeUnknownError,
    RequestInProgressError,
    StorageError,
)
from generate_image.log import Log
from generate_image.money import MicroUsd, parse_usd
from generate_image.picture import BATCH, BoughtPicture, Usage
from generate_image.record import Record, Status
from generate_image.resolution import LONGEST_INVOCATION_SECONDS
from generate_image.settings import Settings
from generate_image.state import CLOCK_SKEW_SECONDS, find_stored_with
from tests.memory_s3 import Clock, ScriptedS3
from tests.proof.faults import Kind

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PICTURE = MicroUsd(40_000)
"""The price of dall-e-3, which has a fixed one."""
DAY = 86_400.0
LEASE_SECONDS = 300.0


class Month:
    """A budget over an S3 in memory, with the fixed price of dall-e-3."""

    def __init__(self, **settings: str) -> None:
        self.clock = Clock()
        self.s3 = ScriptedS3(self.clock)
        self.log = StringIO()
        environ = {
            "IMAGE_BUCKET": "bucket",
            "IMAGE_NAMESPACE": "6f1c8a52-3f0e-4d0a-9a0b-5a5b1e0c7d11",
            "IMAGE_MODELS": "dall-e-3",
        }
        client = cast("S3Client", self.s3)
        deadline = Deadline(self.clock)
        deadline.start(10_000 * DAY)
        pictures = PictureStore(client, "bucket", 7, deadline, sleep=self.clock.pass_by)
        self.ledgers = LedgerStore(client, "bucket", deadline, sleep=self.clock.pass_by, random=lambda: 0.5)
        self.records = RecordStore(client, "bucket", sleep=self.clock.pass_by)
        self.budget = Budget(
            Settings.from_mapping(environ | settings),
            self.ledgers,
            self.records,
            find_stored_with(pictures),
            Log(f"budget {uuid4()}", self.log),
            deadline,
        )

    def at(self, moment: str) -> None:
        self.clock.now = datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp()

    def new(self, image_id: str = "one", client_id: str = "1") -> Record:
        lease_until = self.clock.now + LEASE_SECONDS
        return Record(Status.STARTED, client_id, image_id, "hash", f"holder {uuid4()}", lease_until, "a cat")

    def reserve(self, image_id: str = "one", limit: MicroUsd = PICTURE, client_id: str = "1") -> Record:
        record = self.new(image_id, client_id)
        self.budget.reserve(record, limit)
        return record

    def ledger(self, month: str = "2027-01", client_id: str = "1") -> Ledger:
        return self.ledgers.read(client_id, month) or Ledger()

    def pass_an_invocation(self) -> None:
        self.clock.pass_by(LONGEST_INVOCATION_SECONDS + 1)


@pytest.fixture
def month() -> Month:
    month = Month()
    month.at("2027-01-15")
    return month


BOUGHT = BoughtPicture("dall-e-3", "req_1")


def test_limit_of_one_picture_allows_one(month: Month) -> None:
    month.reserve("one")
    with pytest.raises(BudgetExceededError) as raised:
        month.reserve("two")
    assert raised.value.budget == {
        "limit_usd": 0.04,
        "settled_usd": 0.0,
        "reserved_usd": 0.04,
        "month_ends": "2027-02-01T00:00:00Z",
    }


def test_settled_cost_replaces_the_reservation() -> None:
    month = Month(IMAGE_MODELS="gpt-image-2.6-flare", MAX_PICTURE_USD="0.1")
    month.at("2027-01-15")
    record = month.reserve(limit=MicroUsd(1_000_000))
    month.budget.settle(
        record._replace(bought=BoughtPicture("gpt-image-2.6-flare", "req_1", Usage(9, 439, 448))), record.holder
    )
    assert month.ledger() == Ledger(MicroUsd(1_000_000), MicroUsd(13_215), {})


def test_freed_reservation_makes_room(month: Month) -> None:
    month.budget.free(month.reserve("one"))
    month.reserve("two")


def test_unknown_outcome_settles_the_whole_reservation(month: Month) -> None:
    month.budget.settle_in_full(month.reserve("one"))
    assert (month.ledger().settled, month.ledger().reserved) == (PICTURE, 0)
    [line] = map(json.loads, month.log.getvalue().splitlines())
    assert (line["message"], line["image_id"], line["reserved_usd"]) == ("settled in full", "one", 0.04)


def test_second_caller_of_a_picture_reserves_nothing(month: Month) -> None:
    """Its purchase would be covered by no reservation if the first caller freed the one that both use."""
    first = month.reserve("one")
    with pytest.raises(RequestInProgressError):
        month.reserve("one")
    assert month.ledger().open["one"].holder == first.holder


def test_reservation_of_a_dead_caller_is_replaced(month: Month) -> None:
    month.reserve("one")
    month.clock.pass_by(LEASE_SECONDS + CLOCK_SKEW_SECONDS)
    second = month.reserve("one")
    assert month.ledger().reserved == PICTURE
    assert month.ledger().open["one"].holder == second.holder


@pytest.mark.parametrize(("close", "settled"), [("free", 0), ("settle_in_full", PICTURE), ("settle", PICTURE)])
def test_caller_closes_its_own_reservation_alone(month: Month, close: str, settled: int) -> None:
    month.at("2027-01-31T23:59:59")
    first = month.reserve("one")
    month.at("2027-02-01T00:00:01")
    month.reserve("one")
    if close == "settle":
        month.budget.settle(first._replace(bought=BOUGHT), first.holder)
    else:
        getattr(month.budget, close)(first)
    assert (month.ledger("2027-01").settled, month.ledger("2027-01").reserved) == (settled, 0)
    assert (month.ledger("2027-02").settled, month.ledger("2027-02").reserved) == (0, PICTURE)


def test_batch_leaves_the_reservation_of_a_caller(month: Month) -> None:
    month.reserve("one")
    batch = [month.new(name)._replace(holder="shard") for name in ("one", "two")]
    refused = month.budget.reserve_all(batch, MicroUsd(PICTURE * 2))
    assert {name: type(error) for name, error in refused.items()} == {"one": RequestInProgressError}
    assert {name: reservation.amount for name, reservation in month.ledger().open.items()} == {
        "one": PICTURE,
        "two": PICTURE // 2,
    }


def test_lowered_limit_counts_at_once(month: Month) -> None:
    month.budget.settle_in_full(month.reserve("one", MicroUsd(100_000)))
    with pytest.raises(BudgetExceededError):
        month.reserve("two", MicroUsd(79_999))
    month.reserve("two", MicroUsd(80_000))
    assert month.ledger().limit == 80_000


def test_each_client_has_its_own_ledger(month: Month) -> None:
    month.reserve(client_id="1")
    month.reserve(client_id="2")
    assert month.ledger(client_id="2").reserved == PICTURE


def test_new_month_starts_with_an_empty_ledger(month: Month) -> None:
    month.at("2027-01-31T23:59:59")
    month.reserve("one")
    month.at("2027-02-01T00:00:00")
    month.reserve("two")
    assert month.ledger("2027-01").reserved == month.ledger("2027-02").reserved == PICTURE


def test_purchase_counts_in_the_month_of_its_reservation(month: Month) -> None:
    month.at("2027-01-31T23:59:59")
    record = month.reserve("one")
    month.at("2027-02-01T00:00:30")
    month.budget.settle(record._replace(bought=BOUGHT), record.holder)
    assert month.ledger("2027-01") == Ledger(PICTURE, PICTURE, {})
    assert month.ledger("2027-02") == Ledger()


def test_clock_that_is_behind_finds_its_reservation(month: Month) -> None:
    month.at("2027-02-01T00:00:01")
    record = month.reserve("one")
    month.at("2027-01-31T23:59:59")  # another environment's clock
    month.budget.settle(record._replace(bought=BOUGHT), record.holder)
    assert month.ledger("2027-02").reserved == PICTURE, "it is resolved from its record later"
    month.at("2027-02-02")
    month.records.write(record)
    month.budget.resolve_stale("1", "2027-02")
    assert month.ledger("2027-02") == Ledger(PICTURE, PICTURE, {})


@pytest.mark.parametrize(
    ("status", "error", "settled"),
    [
        (None, None, 0),
        (Status.RELEASED, None, 0),
        (Status.FAILED, ContentRejectedError("Rejected."), 0),
        (Status.FAILED, OutcomeUnknownError("Unknown."), PICTURE),
        (Status.STARTED, None, PICTURE),
        (Status.GENERATED, None, PICTURE),
        (Status.STORED, None, PICTURE),
    ],
)
def test_stale_reservation_is_resolved_from_its_record(
    month: Month, status: Status | None, error: GenerateImageError | None, settled: int
) -> None:
    record = month.reserve("one")
    if status is not None:
        started = month.records.write(record)
        bought = BOUGHT if status in (Status.GENERATED, Status.STORED) else None
        if status is not Status.STARTED:
            month.records.write(started._replace(status=status, error=error, bought=bought), replacing=started)
    month.pass_an_invocation()
    if settled:
        with pytest.raises(BudgetExceededError):
            month.reserve("two")
    else:
        month.reserve("two")
    assert month.ledger().settled == settled
    assert "one" not in month.ledger().open


@pytest.mark.parametrize(
    ("status", "later", "settled"),
    [(Status.RELEASED, -1.0, 0), (Status.RELEASED, 1.0, PICTURE), (Status.STORED, 1.0, PICTURE)],
)
def test_later_purchase_says_nothing_about_the_bill(month: Month, status: Status, later: float, settled: int) -> None:
    """The purchase of the reservation may be billed if another one replaced its record, perhaps at half the price."""
    record = month.reserve("one")
    other = month.records.write(record._replace(holder="another", lease_until=record.lease_until + later))
    bought = BOUGHT._replace(pricing=BATCH) if status is Status.STORED else None
    month.records.write(other._replace(status=status, bought=bought), replacing=other)
    month.pass_an_invocation()
    month.budget.resolve_stale("1", "2027-01")
    assert (month.ledger().settled, month.ledger().reserved) == (settled, 0)


@pytest.mark.parametrize(("holder", "settled"), [("another", PICTURE), ("", 7024 * 30)])
def test_purchase_of_another_settles_no_more_than_reserved(month: Month, holder: str, settled: int) -> None:
    """A caller without a limit has bought a dearer picture under the key of a reservation."""
    record = month.reserve("one")
    started = month.records.write(record._replace(holder=holder or record.holder))
    dear = BoughtPicture("gpt-image-2", "req_1", Usage(0, 7024, 7024))
    month.records.write(started._replace(status=Status.STORED, bought=dear), replacing=started)
    month.pass_an_invocation()
    month.budget.resolve_stale("1", "2027-01")
    assert month.ledger().settled == settled


def test_running_purchase_is_not_resolved(month: Month) -> None:
    record = month.reserve("one")
    month.records.write(record._replace(lease_until=month.clock.now + DAY))
    month.pass_an_invocation()
    with pytest.raises(BudgetExceededError):
        month.reserve("two")
    assert "one" in month.ledger().open


def test_expired_record_counts_as_billed(month: Month) -> None:
    month.reserve("one")
    month.clock.pass_by(6.5 * DAY)  # the lifecycle rule deletes the record on day 7
    month.budget.resolve_stale("1", "2027-01")
    assert month.ledger().settled == PICTURE


def test_cost_above_the_reservation_is_settled_and_counted(month: Month, capsys: pytest.CaptureFixture[str]) -> None:
    record = month.reserve("one")
    dear = BoughtPicture("gpt-image-2", "req_1", Usage(0, 7024, 7024))
    month.budget.settle(record._replace(bought=dear), record.holder)
    assert month.ledger().settled == 7024 * 30
    assert "SettledAboveReservation" in capsys.readouterr().out


def test_failed_settlement_is_logged_and_stays_reserved(month: Month) -> None:
    record = month.reserve("one")
    month.s3.writes = [Kind.DENIED]
    month.budget.settle(record._replace(bought=BOUGHT), record.holder)
    assert "ledger not written" in month.log.getvalue()
    assert month.ledger().reserved == PICTURE


def test_model_without_a_price_bound_is_not_bought() -> None:
    month = Month(IMAGE_MODELS="dall-e-3,model-of-a-host", MAX_PICTURE_USD="0")
    with pytest.raises(ConfigurationError, match="MaxPictureUsd"):
        month.reserve(limit=MicroUsd(1_000_000))


def test_dearest_model_of_the_list_is_reserved() -> None:
    month = Month(IMAGE_MODELS="dall-e-3,gpt-image-2")
    month.at("2027-01-15")
    month.reserve(limit=MicroUsd(1_000_000))
    assert month.ledger().reserved == 1756 * 30 + len("a cat") * 5


@pytest.mark.parametrize("faults", [[Kind.CONFLICT], [Kind.CONFLICT] * 5, [Kind.LOST], [Kind.CONFLICT, Kind.LOST]])
def test_contended_ledger_is_written_once(month: Month, faults: list[Kind | None]) -> None:
    month.s3.writes = faults
    month.reserve("one")
    assert month.ledger().reserved == PICTURE


def test_repeated_reservation_changes_nothing(month: Month) -> None:
    """A write whose response was lost is recognized, also after another caller's reservation with a lower limit."""
    record = month.reserve("one", MicroUsd(PICTURE * 3))
    month.reserve("two", MicroUsd(PICTURE * 2))
    month.budget.reserve(record, MicroUsd(PICTURE * 3))
    assert month.ledger().limit == PICTURE * 2


def test_failed_reservation_is_a_storage_error(month: Month) -> None:
    month.s3.writes = [Kind.ERROR]
    with pytest.raises(StorageError):
        month.reserve("one")


def test_ledger_of_another_format_buys_nothing(month: Month) -> None:
    month.s3.put_object(Bucket="", Key="budgets/cli_1/2027-01.json", Body=b"[]", ContentType="")
    with pytest.raises(ConfigurationError, match="ledger of an unknown format"):
        month.reserve("one")


@pytest.mark.parametrize(("limit", "expected"), [("5", 5_000_000), (12.5, 12_500_000), ("0.04", 40_000), (0, 0)])
def test_secret_replaces_the_limit(month: Month, limit: object, expected: int) -> None:
    text = f'{{"apiKey": "sk-1", "monthlyBudgetUsd": {limit!r}}}'.replace("'", '"')
    credentials = parse_credentials(text, "openai", allows_local_hosts=False)
    assert month.budget.limit_for(credentials) == expected


@pytest.mark.parametrize("limit", ["true", '"five"', "-1", '"1e9"', "1.0000001", "[]", '"5,00"'])
def test_malformed_limit_in_a_secret_is_refused(limit: str) -> None:
    text = f'{{"apiKey": "sk-1", "monthlyBudgetUsd": {limit}}}'
    with pytest.raises(CredentialsError, match="monthlyBudgetUsd in the secret of openai must be"):
        parse_credentials(text, "openai", allows_local_hosts=False)


def test_setting_is_the_limit_of_other_secrets() -> None:
    month = Month(MONTHLY_BUDGET_USD="25")
    credentials = parse_credentials('{"apiKey": "sk-1"}', "openai", allows_local_hosts=False)
    assert month.budget.limit_for(credentials) == parse_usd("25") == 25_000_000
