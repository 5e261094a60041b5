"""Whose turn it is, where more than one call believes that it is theirs."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from io import StringIO
from uuid import uuid4

import pytest

from generate_image.claims import Claims
from generate_image.deadline import Deadline
from generate_image.errors import OutcomeUnknownError, RequestInProgressError, StorageError
from generate_image.records import CLOCK_SKEW_SECONDS, Record, Records, Status
from generate_image.settings import WhenOutcomeUnknown
from generate_image.storage import PictureStore
from generate_image.telemetry import Telemetry
from tests.bought_once.faults import Kind
from tests.bought_once.provider import CountingProvider
from tests.bought_once.schedules import check
from tests.bought_once.test_records import ScriptedS3
from tests.bought_once.world import Clock

MINUTE = 60.0
PICTURE = {"model": "dall-e-3", "source_url": "https://provider/picture"}


class Environment:
    """One of several environments that share a bucket, each with a clock that may be ahead of the others'."""

    def __init__(self, s3: ScriptedS3, clock: Clock, *, ahead: float = 0, unknown: WhenOutcomeUnknown = "fail") -> None:
        self.s3 = s3
        self.log = StringIO()
        self._name = f"environment {uuid4()}"
        self._clock: Callable[[], float] = lambda: clock() + ahead
        telemetry = Telemetry(self.log, service=self._name)
        records = Records(s3, "bucket", clock=self._clock, sleep=clock.pass_by)  # type: ignore[arg-type]  # the fake
        pictures = PictureStore(s3, "bucket", 7, sleep=clock.pass_by)  # type: ignore[arg-type]  # the fake
        self.claims = Claims(records, pictures, telemetry, unknown, clock=self._clock)

    def deadline(self) -> Deadline:
        return Deadline(self._clock() + MINUTE, self._clock)

    def take(self) -> Record:
        deadline = self.deadline()
        claim = Record(
            status=Status.STARTED,
            client_id="1",
            image_id="id",
            request_hash="hash",
            claimant=self._name,
            until=deadline.at,
            asked={"prompt": "a cat"},
        )
        return self.claims.take(claim, deadline)

    def settle(self, status: Status, over: Record) -> Record:
        picture = PICTURE | {"key": "temporal/cli_1/id.png", "content_type": "image/png", "stored_at": 0}
        return self.claims.settle(replace(over, status=status, picture=picture), over, self.deadline())

    def store_picture(self) -> None:
        metadata = {"request-hash": "hash", "model": "dall-e-3"}
        self.s3.put_object(
            Bucket="bucket", Key="temporal/cli_1/id.png", Body=b"\x89PNG", ContentType="image/png", Metadata=metadata
        )


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def s3(clock: Clock) -> ScriptedS3:
    return ScriptedS3(clock)


@pytest.fixture
def provider() -> Iterator[CountingProvider]:
    with CountingProvider() as provider:
        yield provider


def test_one_claims_and_the_others_are_told(s3: ScriptedS3, clock: Clock) -> None:
    assert Environment(s3, clock).take().status is Status.STARTED
    for _ in range(3):
        with pytest.raises(RequestInProgressError):
            Environment(s3, clock).take()


def test_of_two_that_take_over_a_url_one_does(s3: ScriptedS3, clock: Clock) -> None:
    dead = Environment(s3, clock)
    dead.settle(Status.GENERATED, dead.take())
    clock.pass_by(MINUTE + CLOCK_SKEW_SECONDS + 1)
    heir = Environment(s3, clock).take()
    assert heir.status is Status.GENERATED
    assert heir.picture["source_url"] == PICTURE["source_url"]
    with pytest.raises(RequestInProgressError):
        Environment(s3, clock).take()


def test_a_clock_within_the_skew_takes_nobody_for_dead(s3: ScriptedS3, clock: Clock) -> None:
    Environment(s3, clock).take()
    clock.pass_by(MINUTE)
    with pytest.raises(RequestInProgressError):
        Environment(s3, clock, ahead=CLOCK_SKEW_SECONDS - 1).take()


def test_a_clock_beyond_it_does_and_the_picture_is_found_all_the_same(s3: ScriptedS3, clock: Clock) -> None:
    buyer = Environment(s3, clock)
    claimed = buyer.take()
    hasty = Environment(s3, clock, ahead=10 * MINUTE)
    with pytest.raises(OutcomeUnknownError):
        hasty.take()
    buyer.store_picture()
    assert buyer.settle(Status.STORED, claimed).status is Status.STORED  # overtaken, and goes on with its picture
    assert hasty.take().status is Status.STORED


def test_a_record_that_cannot_be_written_is_told_and_keeps_nobody_from_the_picture(
    s3: ScriptedS3, clock: Clock
) -> None:
    buyer = Environment(s3, clock)
    claimed = buyer.take()
    s3.writes = [Kind.ERROR]
    assert buyer.settle(Status.STORED, claimed).status is Status.STORED
    assert "record not written" in buyer.log.getvalue()


def test_a_claim_that_cannot_be_made_buys_nothing(s3: ScriptedS3, clock: Clock) -> None:
    s3.writes = [Kind.ERROR]
    with pytest.raises(StorageError):
        Environment(s3, clock).take()
    assert s3.objects == {}


def test_a_hold_that_is_given_up_is_free_at_once(s3: ScriptedS3, clock: Clock) -> None:
    buyer = Environment(s3, clock)
    buyer.claims.give_up_hold(buyer.settle(Status.GENERATED, buyer.take()), buyer.deadline())
    clock.pass_by(0.001)
    assert Environment(s3, clock).take().status is Status.GENERATED


def test_another_requests_picture_is_not_taken_for_this_ones(s3: ScriptedS3, clock: Clock) -> None:
    dead = Environment(s3, clock)
    dead.take()
    s3.put_object(
        Bucket="bucket",
        Key="temporal/cli_1/id.png",
        Body=b"\x89PNG",
        ContentType="image/png",
        Metadata={"request-hash": "of another", "model": "dall-e-3"},
    )
    clock.pass_by(10 * MINUTE)
    with pytest.raises(OutcomeUnknownError):
        Environment(s3, clock).take()


def test_of_two_that_may_buy_again_one_does(s3: ScriptedS3, clock: Clock) -> None:
    Environment(s3, clock, unknown="buy-again").take()
    clock.pass_by(10 * MINUTE)
    assert Environment(s3, clock, unknown="buy-again").take().status is Status.STARTED
    with pytest.raises(RequestInProgressError):
        Environment(s3, clock, unknown="buy-again").take()


@pytest.mark.parametrize("by_url", [False, True], ids=["base64", "url"])
def test_buying_again_every_single_fault_ends_in_a_picture(provider: CountingProvider, by_url: bool) -> None:  # noqa: FBT001
    report = check(provider, by_url=by_url, pairs=False, environ={"WHEN_OUTCOME_UNKNOWN": "buy-again"})
    assert [violation for violation in report.violations if "billed" not in violation] == []
    assert report.ends.keys() <= {"picture", "DownloadError"}  # of a URL that is dead for good
