"""The conditional writes of a record, and a write whose response was lost."""

import itertools
from typing import TYPE_CHECKING, Any, cast

import pytest

from generate_image.aws.records import ATTEMPTS, RecordChangedError, RecordStore
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

    def new(self, holder: str = "one", **fields: Any) -> Record:  # noqa: ANN401  # any type
        passed_through = {"data": {"n": [1.5, None]}}
        record = Record(Status.STARTED, "1", "id", "hash", holder, 1_800_000_060.0, "ü", passed_through)
        return record._replace(**fields)

    def existing(self, status: Status) -> Record:
        """Return a record of that status that S3 holds."""
        record = self.new(status=status)
        response = self.s3.put_object(Bucket="bucket", Key=record.key, Body=record.to_json(), ContentType="")
        return record._replace(etag=response["ETag"])

    def read(self) -> Record | None:
        return self.records.read("1", "id")


@pytest.fixture
def bucket() -> Bucket:
    return Bucket()


@pytest.mark.parametrize(("before", "after"), list(itertools.product([None, *Status], Status)))
def test_only_transitions_of_the_table_are_written(bucket: Bucket, before: Status | None, after: Status) -> None:
    replacing = bucket.existing(before) if before else None
    record = bucket.new("two", status=after)
    if after in NEXT[before]:
        assert bucket.records.write(record, replacing=replacing) == bucket.read()
    else:
        with pytest.raises(AssertionError):
            bucket.records.write(record, replacing=replacing)
        assert bucket.read() == replacing


def test_written_record_is_read_unchanged(bucket: Bucket) -> None:
    bought = BoughtPicture("m", "req_1", Usage(1, 2, 3), 0.01, "https://provider/p")
    record = bucket.new(bought=bought, stored=StoredPicture("k", "image/png", 4), lease_until=1_800_000_000.123)
    written = bucket.records.write(record)
    assert bucket.read() == written == record._replace(etag=written.etag)
    assert written.etag


@pytest.mark.parametrize("before", [None, Status.RELEASED])
def test_second_writer_gets_the_first_record(bucket: Bucket, before: Status | None) -> None:
    replacing = bucket.existing(before) if before else None
    first = bucket.records.write(bucket.new("one"), replacing=replacing)
    with pytest.raises(RecordChangedError) as raised:
        bucket.records.write(bucket.new("two"), replacing=replacing)
    assert raised.value.current == first


def test_deleted_record_counts_as_changed(bucket: Bucket) -> None:
    replacing = bucket.existing(Status.RELEASED)
    bucket.s3.objects.clear()
    with pytest.raises(RecordChangedError) as raised:
        bucket.records.write(bucket.new(), replacing=replacing)
    assert raised.value.current is None


@pytest.mark.parametrize("before", [None, Status.RELEASED])
def test_write_with_a_lost_response_is_recognized(bucket: Bucket, before: Status | None) -> None:
    replacing = bucket.existing(before) if before else None
    bucket.s3.writes = [Kind.LOST]
    written = bucket.records.write(bucket.new(), replacing=replacing)
    assert written == bucket.read()
    assert written.etag == bucket.s3.objects[written.key].etag


@pytest.mark.parametrize("change", [{"holder": "two"}, {"lease_until": 1_800_000_061.0}])
def test_record_of_another_write_is_not_recognized(bucket: Bucket, change: dict[str, Any]) -> None:
    bucket.records.write(bucket.new())
    with pytest.raises(RecordChangedError):
        bucket.records.write(bucket.new(**change))


def test_own_write_that_boto3_sent_twice_is_recognized(bucket: Bucket) -> None:
    written = bucket.records.write(bucket.new())
    assert bucket.records.write(bucket.new()) == written


@pytest.mark.parametrize(("writes", "reads"), [([Kind.LOST], [Kind.ERROR]), ([Kind.ERROR], [])])
def test_unverifiable_write_is_a_storage_error(bucket: Bucket, writes: list[Kind | None], reads: list[Kind]) -> None:
    bucket.s3.writes, bucket.s3.reads = writes, reads
    with pytest.raises(StorageError):
        bucket.records.write(bucket.new())


def test_missing_right_is_a_configuration_error(bucket: Bucket) -> None:
    bucket.s3.writes = [Kind.DENIED]
    with pytest.raises(ConfigurationError):
        bucket.records.write(bucket.new())


@pytest.mark.parametrize("conflicts", range(1, ATTEMPTS))
def test_conflicting_write_is_retried(bucket: Bucket, conflicts: int) -> None:
    bucket.s3.writes = [Kind.CONFLICT] * conflicts
    assert bucket.records.write(bucket.new()) == bucket.read()
    assert bucket.s3.puts == conflicts + 1
    assert bucket.waits == sorted(bucket.waits)
    assert len(bucket.waits) == conflicts


def test_lasting_conflict_is_a_storage_error(bucket: Bucket) -> None:
    bucket.s3.writes = [Kind.CONFLICT] * ATTEMPTS
    with pytest.raises(StorageError):
        bucket.records.write(bucket.new())
    assert bucket.s3.puts == ATTEMPTS
