"""The paths of the two functions of a batch."""

import json
from functools import cache
from typing import Any
from uuid import uuid4

from generate_image.aws.batch_files import PART_BYTES
from generate_image.errors import ConfigurationError, InvalidRequestError
from local.account import CREDENTIALS_ID
from tests.proof.rights.world import Path, World

PROMPT_CHARACTERS = 200_000


def list_is_prepared(world: World) -> None:
    assert world.invoke(_prepare(world, b"prompt\nA lighthouse\n"))["items"] == 1


def large_list_is_prepared_in_parts(world: World) -> None:
    assert world.invoke(_prepare(world, _large_list()))["items"] > 1


def upload_of_invalid_list_is_aborted(world: World) -> None:
    event = _prepare(world, _large_list() + b"0,A lighthouse\n")
    error = world.error(event)
    assert isinstance(error, InvalidRequestError), error
    uploads = world.owner.s3.list_multipart_uploads(Bucket=world.bucket).get("Uploads", [])
    assert not [upload for upload in uploads if event["execution"] in upload["Key"]]


def missing_list_is_named(world: World) -> None:
    error = world.error({**_prepare(world, b""), "input": {"list": "lists/missing.csv"}})
    assert isinstance(error, InvalidRequestError), error


def results_are_counted(world: World) -> None:
    prefix = f"results/{uuid4()}"
    manifest = {"ResultFiles": {"SUCCEEDED": [{"Key": f"{prefix}/SUCCEEDED_0.jsonl"}]}}
    result = {"Status": "SUCCEEDED", "Output": '{"_meta_": {"replayed": false}}'}
    for name, content in {"manifest.json": manifest, "SUCCEEDED_0.jsonl": result}.items():
        world.owner.s3.put_object(Bucket=world.bucket, Key=f"{prefix}/{name}", Body=json.dumps(content).encode())
    assert world.invoke(_count(world, f"{prefix}/manifest.json"))["bought"] == 1


def shards_are_counted(world: World) -> None:
    prefix = f"results/{uuid4()}"
    files = {"SUCCEEDED": [{"Key": f"{prefix}/shards/SUCCEEDED_0.jsonl"}]}
    shard = {"Status": "SUCCEEDED", "Output": json.dumps(files)}
    result = {"Status": "SUCCEEDED", "Output": '{"_meta_": {"replayed": false}}'}
    manifest = {"ResultFiles": {"SUCCEEDED": [{"Key": f"{prefix}/run/SUCCEEDED_0.jsonl"}]}}
    contents = {"run/manifest.json": manifest, "run/SUCCEEDED_0.jsonl": shard, "shards/SUCCEEDED_0.jsonl": result}
    for name, content in contents.items():
        world.owner.s3.put_object(Bucket=world.bucket, Key=f"{prefix}/{name}", Body=json.dumps(content).encode())
    event = _count(world, f"{prefix}/run/manifest.json") | {"pricing": "batch", "key": f"{prefix}/items.jsonl"}
    totals = world.invoke(event)
    assert (totals["bought"], totals["results"]) == (1, f"s3://{world.bucket}/{prefix}/manifest.json")


def missing_results_are_named(world: World) -> None:
    error = world.error(_count(world, "results/missing/manifest.json"))
    assert isinstance(error, ConfigurationError), error
    assert "results/missing/manifest.json" in error.message


PREPARE_LIST_PATHS: list[Path] = [
    list_is_prepared,
    large_list_is_prepared_in_parts,
    upload_of_invalid_list_is_aborted,
    missing_list_is_named,
]
COUNT_RESULTS_PATHS: list[Path] = [results_are_counted, shards_are_counted, missing_results_are_named]


@cache
def _large_list() -> bytes:
    """Return a list whose prepared items need more than one part of an upload."""
    prompt = "x" * PROMPT_CHARACTERS
    rows = (f"{number},{prompt}\n" for number in range(PART_BYTES // PROMPT_CHARACTERS + 2))
    return "".join(["id,prompt\n", *rows]).encode()


def _prepare(world: World, content: bytes) -> dict[str, Any]:
    """Store a list and return the state machine's event for it."""
    key = f"lists/{uuid4()}.csv"
    world.owner.s3.put_object(Bucket=world.bucket, Key=key, Body=content)
    return {
        "input": {"list": key, "client_id": 1, "credentials_id": CREDENTIALS_ID},
        "execution": str(uuid4()),
        "max_concurrency": 5,
        "tolerated_failure_percentage": 100,
    }


def _count(world: World, key: str) -> dict[str, Any]:
    return {"name": "spring", "map_run": {"ResultWriterDetails": {"Bucket": world.bucket, "Key": key}}}
