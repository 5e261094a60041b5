"""The conditional writes of a record, and a write whose response was lost."""

import itertools
from typing import TYPE_CHECKING, Any, cast

import pytest

from generate_image.aws.documents import PAUSES_SECONDS
from generate_image.aws.records import RecordChangedError, RecordStore
from generate_image.errors import ConfigurationError, StorageError
from generate_image.picture import BoughtPicture, StoredPicture, Usage
from generate_image.record import NEXT, Record, Status
from tests.memory_s3 import Clock, ScriptedS3
from tests.proof.faults import Kind

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class Bucket:
    """Records in an S3 that can fail."""

    def __init__(self) -> None:
        self.s3 = ScriptedS3(Clock())
        self.waits: list[float] = []
        self.records = RecordStore(cast("S3Client", self.s3), "bucket", sleep=self.waits.append)

    def existing(self, status: Status | None) -> Record | None:
        """Return a record of that status that S3 holds; None for none."""
        if status is None:
            return None
        record = new(status=status)
        response = self.s3.put_object(Bucket="bucket", Key=record.key, Body=record.to_json(), ContentType="")
        return record._replace(etag=response["ETag"])

    def read(self) -> Record | None:
        return self.records.read("1", "id")


def new(holder: str = "one", **fields: Any) -> Record:  # noqa: ANN401  # any type
    passed_through = {"data": {"n": [1.5, None]}}
    record = Record(Status.STARTED, "1", "id", "hash", holder, 1_800_000_060.0, "ü", passed_through)
    return record._replace(**fields)


@pytest.fixture
def bucket() -> Bucket:
    return Bucket()


@pytest.mark.parametrize(("before", "after"), list(itertools.product([None, *Status], Status)))
def test_only_transitions_of_the_table_are_written(bucket: Bucket, before: Status | None, after: Status) -> None:
    replacing = bucket.existing(before)
    record = new("two", status=after)
    if after in NEXT[before]:
        assert bucket.records.write(record, replacing=replacing) == bucket.read()
    else:
        with pytest.raises(AssertionError):
            bucket.records.write(record, replacing=replacing)
        assert bucket.read() == replacing


def test_written_record_is_read_unchanged(bucket: Bucket) -> None:
    bought = BoughtPicture("m", "req_1", Usage(1, 2, 3), 0.01, "https://provider/p")
    record = new(bought=bought, stored=StoredPicture("k", "image/png", 4), lease_until=1_800_000_000.123)
    written = bucket.records.write(record)
    assert bucket.read() == written == record._replace(etag=bucket.s3.objects[record.key].etag)
    assert bucket.s3.objects[record.key].content_type == "application/json"


@pytest.mark.parametrize("before", [None, Status.RELEASED])
@pytest.mark.parametrize("second", [new("two"), new(lease_until=1_800_000_061.0)], ids=["holder", "lease"])
def test_second_writer_gets_the_first_record(bucket: Bucket, before: Status | None, second: Record) -> None:
    replacing = bucket.existing(before)
    first = bucket.records.write(new("one"), replacing=replacing)
    with pytest.raises(RecordChangedError) as raised:
        bucket.records.write(second, replacing=replacing)
    assert raised.value.current == first


def test_deleted_record_counts_as_changed(bucket: Bucket) -> None:
    replacing = bucket.existing(Status.RELEASED)
    bucket.s3.objects.clear()
    with pytest.raises(RecordChangedError) as raised:
        bucket.records.write(new(), replacing=replacing)
    assert raised.value.current is None


@pytest.mark.parametrize("before", [None, Status.RELEASED])
def test_write_with_a_lost_response_is_recognized(bucket: Bucket, before: Status | None) -> None:
    replacing = bucket.existing(before)
    bucket.s3.writes = [Kind.LOST]
    written = bucket.records.write(new(), replacing=replacing)
    assert written == bucket.read()
    assert bucket.records.write(new(), replacing=replacing) == written, "boto3 can send a write twice"


@pytest.mark.parametrize(
    ("writes", "reads", "error"),
    [
        ([Kind.LOST], [Kind.ERROR], StorageError),
        ([Kind.ERROR], [], StorageError),
        ([Kind.DENIED], [], ConfigurationError),
    ],
)
def test_failed_write_raises_its_error(
    bucket: Bucket, writes: list[Kind | None], reads: list[Kind], error: type[Exception]
) -> None:
    bucket.s3.writes, bucket.s3.reads = writes, reads
    with pytest.raises(error):
        bucket.records.write(new())


@pytest.mark.parametrize("conflicts", range(1, len(PAUSES_SECONDS) + 2))
def test_conflicting_write_is_repeated_three_times(bucket: Bucket, conflicts: int) -> None:
    bucket.s3.writes = [Kind.CONFLICT] * conflicts
    if conflicts > len(PAUSES_SECONDS):
        with pytest.raises(StorageError):
            bucket.records.write(new())
    else:
        assert bucket.records.write(new()) == bucket.read()
    assert bucket.waits == list(PAUSES_SECONDS[:conflicts])
