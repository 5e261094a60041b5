"""The record: its JSON format since version 1, its conditional writes, and a write whose response was lost."""

import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from generate_image.aws.documents import PAUSES_SECONDS
from generate_image.aws.records import RecordChangedError
from generate_image.errors import ConfigurationError, StorageError
from generate_image.event import image_id, parse_event, request_hash
from generate_image.picture import BoughtPicture, StoredPicture, Usage
from generate_image.record import NEXT, Record, Status
from generate_image.settings import Settings
from tests.proof.faults import Kind
from tests.unit.stores import Stores

VERSION_1: dict[str, Any] = json.loads(Path(__file__).with_name("version_1.json").read_text("utf-8"))
"""An event, its id and hash, and its records, all written by version 1."""
RECORDS: list[dict[str, Any]] = VERSION_1["records"]


def version_1(record: dict[str, Any]) -> Record:
    return Record.from_json(json.dumps(record).encode(), "etag")


@pytest.mark.parametrize(
    ("event", "environ", "same_id", "same_hash"),
    [
        ({}, {}, True, True),
        ({"nextModule": "other"}, {"OPENAI_BASE_URL": "https://eu.example/v1"}, True, True),
        ({"idempotency_key": "other"}, {}, False, True),
        ({"client_id": 2}, {}, False, True),
        ({"data": {"prompt": "other"}}, {}, True, False),
        ({"config": {"credentials_id": "other"}}, {}, True, False),
        ({"config": {"credentials_id": "openai", "options": {"quality": "low"}}}, {}, True, False),
        ({}, {"IMAGE_MODELS": "gpt-image-2"}, True, False),
        ({}, {"IMAGE_QUALITY": "low"}, True, False),
    ],
)
def test_request_has_the_id_and_hash_of_version_1(
    *, event: Mapping[str, object], environ: Mapping[str, str], same_id: bool, same_hash: bool
) -> None:
    required = {"IMAGE_BUCKET": "pictures", "IMAGE_NAMESPACE": "6f1c8a52-3f0e-4d0a-9a0b-5a5b1e0c7d11"}
    settings = Settings.from_mapping(required | dict(environ))
    request = parse_event(VERSION_1["event"] | event, default_key="", longest_prompt=32_000)
    assert (image_id(request, settings) == VERSION_1["image_id"]) == same_id
    assert (request_hash(request, settings) == VERSION_1["request_hash"]) == same_hash


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: str(record["status"]))
def test_record_of_version_1_is_written_unchanged(record: dict[str, Any]) -> None:
    assert json.loads(version_1(record).to_json()) == record


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"null",
        b'{"status": "started"}',
        b'{"status": [], "until": ""}',
        b"\xff",
        json.dumps(RECORDS[4] | {"error": {"code": "NewError", "message": ""}}).encode(),
        b"[" * 100_000,
    ],
    ids=range(8),
)
def test_other_content_is_refused(content: bytes) -> None:
    with pytest.raises(ConfigurationError, match="record of an unknown format"):
        Record.from_json(content, "etag")


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
    stores.s3.objects.clear()
    with pytest.raises(RecordChangedError) as raised:
        stores.records.write(first._replace(status=Status.RELEASED), replacing=first)
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
