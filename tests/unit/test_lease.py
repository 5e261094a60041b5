"""The lease, where more than one invocation wants it."""

from io import StringIO
from typing import TYPE_CHECKING, cast
from uuid import uuid4

import pytest

from generate_image.aws.pictures import PictureStore
from generate_image.aws.records import RecordStore
from generate_image.deadline import Deadline
from generate_image.errors import (
    ContentRejectedError,
    IdempotencyKeyReusedError,
    OutcomeUnknownError,
    RequestInProgressError,
    StorageError,
)
from generate_image.lease import LONGEST_RETRY_AFTER_SECONDS, Leases
from generate_image.log import Log
from generate_image.picture import BoughtPicture, StoredPicture
from generate_image.record import Record, Status
from generate_image.settings import WhenOutcomeUnknown
from generate_image.state import CLOCK_SKEW_SECONDS, find_stored_with
from tests.memory_s3 import Clock, ScriptedS3
from tests.proof.faults import Kind

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MINUTE = 60.0
SOURCE_URL = "https://provider/picture"
STORED = StoredPicture("temporal/cli_1/id.png", "image/png", 0)


class Invocation:
    """One of several environments that share a bucket. ahead: seconds that its clock is ahead."""

    def __init__(self, s3: ScriptedS3, clock: Clock, *, ahead: float = 0, unknown: WhenOutcomeUnknown = "fail") -> None:
        self.s3 = s3
        self.log = StringIO()
        self._holder = f"invocation {uuid4()}"
        self.deadline = Deadline(lambda: clock() + ahead)
        self.deadline.start(MINUTE)
        client = cast("S3Client", s3)
        records = RecordStore(client, "bucket", sleep=clock.pass_by)
        pictures = PictureStore(client, "bucket", 7, self.deadline, sleep=clock.pass_by)
        self.leases = Leases(records, find_stored_with(pictures), Log(self._holder, self.log), self.deadline, unknown)

    def acquire(self, request_hash: str = "hash") -> Record:
        new = Record(Status.STARTED, "1", "id", request_hash, self._holder, self.deadline.at, "a cat")
        return self.leases.acquire(new)

    def save(self, status: Status, replacing: Record) -> Record:
        record = replacing._replace(status=status, bought=BoughtPicture("dall-e-3", source_url=SOURCE_URL))
        return self.leases.save(record._replace(stored=STORED), replacing=replacing)

    def store_picture(self, request_hash: str = "hash", key: str = STORED.key) -> None:
        metadata = {"request-hash": request_hash, "model": "dall-e-3"}
        self.s3.put_object(Bucket="bucket", Key=key, Body=b"", ContentType="image/png", Metadata=metadata)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def s3(clock: Clock) -> ScriptedS3:
    return ScriptedS3(clock)


def test_one_invocation_acquires_the_lease(s3: ScriptedS3, clock: Clock) -> None:
    assert Invocation(s3, clock).acquire().status is Status.STARTED
    for _ in range(3):
        with pytest.raises(RequestInProgressError) as raised:
            Invocation(s3, clock).acquire()
        assert raised.value.retry_after == LONGEST_RETRY_AFTER_SECONDS


def test_one_retry_takes_over_a_bought_picture(s3: ScriptedS3, clock: Clock) -> None:
    dead = Invocation(s3, clock)
    record = dead.acquire()
    dead.leases.save(
        record._replace(status=Status.GENERATED, bought=BoughtPicture("dall-e-3", source_url=SOURCE_URL)),
        replacing=record,
    )
    clock.pass_by(MINUTE + CLOCK_SKEW_SECONDS + 1)
    retry = Invocation(s3, clock).acquire()
    assert retry.status is Status.GENERATED
    assert retry.require_bought().source_url == SOURCE_URL
    with pytest.raises(RequestInProgressError):
        Invocation(s3, clock).acquire()


def test_lease_lasts_longer_than_the_clock_skew(s3: ScriptedS3, clock: Clock) -> None:
    Invocation(s3, clock).acquire()
    clock.pass_by(MINUTE)
    with pytest.raises(RequestInProgressError):
        Invocation(s3, clock, ahead=CLOCK_SKEW_SECONDS - 1).acquire()


def test_picture_is_found_after_a_premature_failure(s3: ScriptedS3, clock: Clock) -> None:
    buyer = Invocation(s3, clock)
    record = buyer.acquire()
    premature = Invocation(s3, clock, ahead=10 * MINUTE)
    with pytest.raises(OutcomeUnknownError):
        premature.acquire()
    buyer.store_picture()
    assert buyer.save(Status.STORED, record).status is Status.STORED  # the record changed, and the picture counts
    assert premature.acquire().status is Status.STORED


def test_failed_save_is_logged_and_ignored(s3: ScriptedS3, clock: Clock) -> None:
    buyer = Invocation(s3, clock)
    record = buyer.acquire()
    s3.writes = [Kind.ERROR]
    assert buyer.save(Status.STORED, record).status is Status.STORED
    assert "record not written" in buyer.log.getvalue()


def test_failed_acquisition_leaves_no_record(s3: ScriptedS3, clock: Clock) -> None:
    s3.writes = [Kind.ERROR]
    with pytest.raises(StorageError):
        Invocation(s3, clock).acquire()
    assert s3.objects == {}


def test_ended_lease_is_free_at_once(s3: ScriptedS3, clock: Clock) -> None:
    buyer = Invocation(s3, clock)
    buyer.leases.end(buyer.save(Status.GENERATED, buyer.acquire()))
    clock.pass_by(0.001)
    buyer.s3.objects.pop(STORED.key, None)
    assert Invocation(s3, clock).acquire().status is Status.GENERATED


def test_picture_of_another_request_is_not_used(s3: ScriptedS3, clock: Clock) -> None:
    buyer = Invocation(s3, clock)
    buyer.acquire()
    buyer.store_picture("hash of another request")
    clock.pass_by(10 * MINUTE)
    with pytest.raises(OutcomeUnknownError):
        Invocation(s3, clock).acquire()


def test_picture_of_another_type_hides_no_stored_picture(s3: ScriptedS3, clock: Clock) -> None:
    buyer = Invocation(s3, clock)
    buyer.acquire()
    buyer.store_picture("hash of another request")
    buyer.store_picture(key="temporal/cli_1/id.jpg")
    clock.pass_by(10 * MINUTE)
    record = Invocation(s3, clock).acquire()
    assert record.require_stored().key == "temporal/cli_1/id.jpg"
    assert record.require_bought().cost_usd == 0.04


@pytest.mark.parametrize("status", [Status.STARTED, Status.FAILED])
def test_buy_again_lets_one_retry_buy(s3: ScriptedS3, clock: Clock, status: Status) -> None:
    Invocation(s3, clock, unknown="buy-again").acquire()
    clock.pass_by(10 * MINUTE)
    if status is Status.FAILED:
        with pytest.raises(OutcomeUnknownError):
            Invocation(s3, clock).acquire()
    assert Invocation(s3, clock, unknown="buy-again").acquire().status is Status.STARTED
    with pytest.raises(RequestInProgressError):
        Invocation(s3, clock, unknown="buy-again").acquire()


def test_unknown_outcome_is_saved_as_failed(s3: ScriptedS3, clock: Clock) -> None:
    Invocation(s3, clock).acquire()
    clock.pass_by(10 * MINUTE)
    with pytest.raises(OutcomeUnknownError):
        Invocation(s3, clock).acquire()
    [record] = [Record.from_json(found.body, "") for found in s3.objects.values()]
    assert (record.status, type(record.error)) == (Status.FAILED, OutcomeUnknownError)


def test_released_key_is_free_for_another_request(s3: ScriptedS3, clock: Clock) -> None:
    buyer = Invocation(s3, clock)
    buyer.leases.release(buyer.acquire())
    assert Invocation(s3, clock).acquire("another hash").status is Status.STARTED


@pytest.mark.parametrize("end", ["in progress", "failed", "stored"])
def test_key_of_another_request_is_refused(s3: ScriptedS3, clock: Clock, end: str) -> None:
    buyer = Invocation(s3, clock)
    record = buyer.acquire()
    if end == "failed":
        buyer.leases.fail(ContentRejectedError("Rejected."), replacing=record)
    if end == "stored":
        buyer.store_picture()
        buyer.save(Status.STORED, record)
    with pytest.raises(IdempotencyKeyReusedError):
        Invocation(s3, clock).acquire("another hash")


def test_failed_request_raises_its_error_again(s3: ScriptedS3, clock: Clock) -> None:
    buyer = Invocation(s3, clock)
    error = ContentRejectedError("Rejected.", categories=["violence"])
    buyer.leases.fail(error, replacing=buyer.acquire())
    with pytest.raises(ContentRejectedError) as raised:
        Invocation(s3, clock).acquire()
    assert raised.value.to_dict() == error.to_dict()


def test_expired_picture_frees_its_key(s3: ScriptedS3, clock: Clock) -> None:
    buyer = Invocation(s3, clock)
    buyer.save(Status.STORED, buyer.acquire())  # and the picture is not in S3
    assert Invocation(s3, clock).acquire("another hash").status is Status.STARTED
