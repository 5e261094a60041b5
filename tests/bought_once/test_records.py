"""The record: what may follow what, and what a conditional write tells when S3 tells little."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest
from botocore.exceptions import ReadTimeoutError

from generate_image.deadline import Deadline
from generate_image.errors import ConfigurationError, StorageError
from generate_image.records import ATTEMPTS, CLOCK_SKEW_SECONDS, NEXT, OvertakenError, Record, Records, Status
from tests.bought_once.faults import Kind
from tests.bought_once.memory_s3 import MemoryS3, client_error
from tests.bought_once.world import Clock

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class ScriptedS3(MemoryS3):
    """S3 whose next writes and reads meet what ``writes`` and ``reads`` say; then it is well."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.writes: list[Kind] = []
        self.reads: list[Kind] = []
        self.puts = 0

    def put_object(self, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401  # boto3's
        self.puts += 1
        kind = self.writes.pop(0) if self.writes else None
        if kind is Kind.CONFLICT:
            raise client_error("ConditionalRequestConflict", 409, "PutObject")
        if kind is Kind.ERROR:
            raise client_error("InternalError", 500, "PutObject")
        if kind is Kind.DENIED:
            raise client_error("AccessDenied", 403, "PutObject")
        response = super().put_object(**parameters)
        if kind is Kind.LOST:
            raise ReadTimeoutError(endpoint_url="https://s3")
        return response

    def get_object(self, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401  # boto3's
        if self.reads:
            self.reads.pop(0)
            raise ReadTimeoutError(endpoint_url="https://s3")
        return super().get_object(**parameters)


class Store:
    """Records in an S3 that can fail."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.s3 = ScriptedS3(self.clock)
        self.waits: list[float] = []
        self.records = Records(cast("S3Client", self.s3), "bucket", clock=self.clock, sleep=self.waits.append)
        self.deadline = Deadline(self.clock.now + 60, self.clock)

    def claim(self, claimant: str = "one", **fields: Any) -> Record:  # noqa: ANN401  # of every type
        record = Record(
            status=Status.STARTED,
            client_id="1",
            image_id="id",
            request_hash="hash",
            claimant=claimant,
            until=self.deadline.at,
            asked={"prompt": "ü", "data": {"n": [1.5, None]}},
        )
        return replace(record, **fields)

    def lying(self, status: Status) -> Record:
        """Return a record of that status as it lies in S3."""
        record = self.claim(status=status)
        stored = self.s3.put_object(Bucket="bucket", Key=record.key, Body=record.to_json(), ContentType="")
        return replace(record, etag=stored["ETag"])

    def read(self) -> Record | None:
        return self.records.read("1", "id", self.deadline)


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.mark.parametrize(("before", "after"), list(itertools.product([None, *Status], Status)))
def test_a_status_follows_another_as_the_table_says(store: Store, before: Status | None, after: Status) -> None:
    over = store.lying(before) if before else None
    record = store.claim("two", status=after)
    if after in NEXT[before]:
        written = store.records.write(record, store.deadline, over=over)
        assert store.read() == written == record
    else:
        with pytest.raises(AssertionError):
            store.records.write(record, store.deadline, over=over)
        assert store.read() == over


def test_a_record_is_read_as_it_was_written(store: Store) -> None:
    record = store.claim(picture={"key": "k", "usage": {"total_tokens": 1}}, until=1_800_000_000.123)
    written = store.records.write(record, store.deadline)
    assert store.read() == written
    assert written.etag


def test_of_two_that_claim_the_second_learns_of_the_first(store: Store) -> None:
    first = store.records.write(store.claim("one"), store.deadline)
    with pytest.raises(OvertakenError) as raised:
        store.records.write(store.claim("two"), store.deadline)
    assert raised.value.record == first


def test_of_two_that_replace_the_second_learns_of_the_first(store: Store) -> None:
    over = store.lying(Status.RELEASED)
    first = store.records.write(store.claim("one"), store.deadline, over=over)
    with pytest.raises(OvertakenError) as raised:
        store.records.write(store.claim("two"), store.deadline, over=over)
    assert raised.value.record == first


def test_a_record_that_is_gone_is_overtaken_by_nothing(store: Store) -> None:
    over = store.lying(Status.RELEASED)
    store.s3.objects.clear()
    with pytest.raises(OvertakenError) as raised:
        store.records.write(store.claim(), store.deadline, over=over)
    assert raised.value.record is None


@pytest.mark.parametrize("before", [None, Status.RELEASED])
def test_a_write_whose_answer_is_lost_is_known_as_ones_own(store: Store, before: Status | None) -> None:
    over = store.lying(before) if before else None
    store.s3.writes = [Kind.LOST]
    written = store.records.write(store.claim(), store.deadline, over=over)
    assert written == store.read()
    assert written.etag == store.s3.objects[written.key].etag


def test_ones_own_claim_that_boto3_sent_twice_is_not_anothers(store: Store) -> None:
    lying = store.records.write(store.claim(), store.deadline)
    assert store.records.write(store.claim(), store.deadline) == lying


@pytest.mark.parametrize(("writes", "reads"), [([Kind.LOST], [Kind.ERROR]), ([Kind.ERROR], [])])
def test_where_nobody_can_tell_it_is_a_storage_error(store: Store, writes: list[Kind], reads: list[Kind]) -> None:
    store.s3.writes, store.s3.reads = writes, reads
    with pytest.raises(StorageError):
        store.records.write(store.claim(), store.deadline)


def test_what_the_role_may_not_do_is_a_matter_of_configuration(store: Store) -> None:
    store.s3.writes = [Kind.DENIED]
    with pytest.raises(ConfigurationError):
        store.records.write(store.claim(), store.deadline)


@pytest.mark.parametrize("conflicts", range(1, ATTEMPTS))
def test_a_conflict_is_tried_again(store: Store, conflicts: int) -> None:
    store.s3.writes = [Kind.CONFLICT] * conflicts
    assert store.records.write(store.claim(), store.deadline) == store.read()
    assert store.s3.puts == conflicts + 1
    assert store.waits == sorted(store.waits)
    assert len(store.waits) == conflicts


def test_a_conflict_that_does_not_end_is_a_storage_error(store: Store) -> None:
    store.s3.writes = [Kind.CONFLICT] * ATTEMPTS
    with pytest.raises(StorageError):
        store.records.write(store.claim(), store.deadline)
    assert store.s3.puts == ATTEMPTS


def test_when_time_is_up_nothing_is_written(store: Store) -> None:
    store.clock.pass_by(60)
    with pytest.raises(StorageError):
        store.records.write(store.claim(), store.deadline)
    assert store.s3.objects == {}


FOREIGN: Sequence[bytes] = (
    b"",
    b"{",
    b"[]",
    b"null",
    b'{"status": "started"}',
    b'{"status": [], "until": ""}',
    b"\xff",
)


@pytest.mark.parametrize("content", FOREIGN)
def test_what_is_no_record_is_told(store: Store, content: bytes) -> None:
    store.s3.put_object(Bucket="bucket", Key=store.claim().key, Body=content, ContentType="")
    with pytest.raises(ConfigurationError):
        store.read()
    with pytest.raises(ConfigurationError):
        store.records.write(store.claim(), store.deadline)


def test_a_hold_ends_with_its_time_and_the_skew_of_two_clocks(store: Store) -> None:
    record = store.claim(until=store.clock.now)
    assert store.records.is_held(record)
    store.clock.pass_by(CLOCK_SKEW_SECONDS - 0.001)
    assert store.records.is_held(record)
    store.clock.pass_by(0.002)
    assert not store.records.is_held(record)
