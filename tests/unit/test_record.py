"""The record's JSON format: records and hashes of version 1 keep their meaning."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from generate_image.errors import ConfigurationError
from generate_image.event import image_id, parse_event, request_hash
from generate_image.record import Record
from generate_image.settings import Settings

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
