"""The conditional writes of a record, and a write whose response was lost."""

import itertools
from typing import Any

import pytest

from generate_image.aws.documents import PAUSES_SECONDS
from generate_image.aws.records import RecordChangedError
from generate_image.errors import ConfigurationError, StorageError
from generate_image.picture import BoughtPicture, StoredPicture, Usage
from generate_image.record import NEXT, Status
from tests.proof.faults import Kind
from tests.unit.stores import Stores


@pytest.mark.parametrize(("before", "after"), list(itertools.product([None, *Status], Status)))
def test_only_transitions_of_the_table_are_written(stores: Stores, before: Status | None, after: Status) -> None:
    replacing = stores.existing(stores.new(status=before)) if before else None
    record = stores.new(status=after)
    if after in NEXT[before]:
        assert stores.records.write(record, replacing=replacing) == stores.saved()
    else:
        with pytest.raises(AssertionError):
            stores.records.write(record, replacing=replacing)
        assert stores.saved() == replacing


def test_written_record_is_read_unchanged(stores: Stores) -> None:
    bought = BoughtPicture("m", "req_1", Usage(1, 2, 3), 0.01, "https://provider/p", "batch")
    stored = StoredPicture("k", "image/png", 4, "present")
    data = {"prompt_image": "ü", "n": [1.5, None]}
    written = stores.records.write(
        stores.new(
            bought=bought,
            stored=stored,
            passed_through={"nextModule": "next", "data": data},
            options={"quality": "low"},
            lease_until=1_800_000_000.123,
        )
    )
    assert stores.saved() == written
    found = stores.s3.objects[written.key]
    assert (found.etag, found.content_type) == (written.etag, "application/json")


@pytest.mark.parametrize("before", [None, Status.RELEASED])
@pytest.mark.parametrize("fields", [{"holder": "another"}, {"lease_until": 1.0}])
def test_second_writer_gets_the_first_record(stores: Stores, before: Status | None, fields: dict[str, Any]) -> None:
    replacing = stores.existing(stores.new(status=before)) if before else None
    first = stores.records.write(stores.new(), replacing=replacing)
    with pytest.raises(RecordChangedError) as raised:
        stores.records.write(first._replace(**fields), replacing=replacing)
    assert raised.value.current == first == stores.saved()


def test_deleted_record_counts_as_changed(stores: Stores) -> None:
    replacing = stores.existing(stores.new(status=Status.RELEASED))
    stores.s3.objects.clear()
    with pytest.raises(RecordChangedError) as raised:
        stores.records.write(stores.new(), replacing=replacing)
    assert raised.value.current is None


@pytest.mark.parametrize("before", [None, Status.RELEASED])
def test_write_with_a_lost_response_is_recognized(stores: Stores, before: Status | None) -> None:
    replacing = stores.existing(stores.new(status=before)) if before else None
    record = stores.new()
    stores.s3.writes = [Kind.LOST]
    written = stores.records.write(record, replacing=replacing)
    assert written == stores.saved()
    for second_response in (None, Kind.DENIED):  # boto3 can send a write twice
        stores.s3.writes = [second_response]
        assert stores.records.write(record, replacing=replacing) == written


@pytest.mark.parametrize(
    ("writes", "reads", "error"),
    [
        ([Kind.LOST], [Kind.ERROR], StorageError),
        ([Kind.ERROR], [], StorageError),
        ([Kind.DENIED], [], ConfigurationError),
    ],
)
def test_failed_write_raises_its_error(
    stores: Stores, writes: list[Kind | None], reads: list[Kind], error: type[Exception]
) -> None:
    stores.s3.writes, stores.s3.reads = writes, reads
    with pytest.raises(error):
        stores.records.write(stores.new())


@pytest.mark.parametrize("conflicts", range(1, len(PAUSES_SECONDS) + 2))
def test_conflicting_write_is_repeated_three_times(stores: Stores, conflicts: int) -> None:
    stores.s3.writes = [Kind.CONFLICT] * conflicts
    if conflicts > len(PAUSES_SECONDS):
        with pytest.raises(StorageError):
            stores.records.write(stores.new())
    else:
        assert stores.records.write(stores.new()) == stores.saved()
    assert stores.waits == list(PAUSES_SECONDS[:conflicts])
