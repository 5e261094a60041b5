"""The results of a list whose shards were bought in batches, as if each item had had an execution of its own."""

import json
from collections.abc import Iterator
from typing import Any

from generate_image.aws.batch_files import BatchFiles

STATUSES = ("FAILED", "PENDING", "SUCCEEDED")


def write_manifest(files: BatchFiles, map_run_key: str, folder: str, bucket: str) -> str:
    """Write the manifest of the items and return its key. Raises as BatchFiles does.

    map_run_key: of the manifest that Step Functions wrote for the Map Run over shards. folder: gets the manifest of the
    items. bucket: its name in the manifest.
    """
    listed: dict[str, list[Any]] = {status: [] for status in STATUSES}
    has_failed = False
    for shard in files.results(map_run_key):
        if shard["Status"] == "SUCCEEDED":
            for status, written in json.loads(shard.get("Output") or "{}").items():
                listed[status] += written
        else:
            has_failed = True
    if has_failed:
        for status in ("FAILED", "PENDING"):
            key = f"{folder}/shards/{status}_executions.jsonl"
            if files.write(key, _items_without_results(files, map_run_key, is_pending=status == "PENDING")):
                listed[status].append({"Key": key})
    key = f"{folder}/manifest.json"
    files.write(key, [json.dumps({"DestinationBucket": bucket, "ResultFiles": listed}).encode()])
    return key


def _items_without_results(files: BatchFiles, map_run_key: str, *, is_pending: bool) -> Iterator[bytes]:
    """Yield the results of the items whose shards failed or, with is_pending, did not start, with the shard's error."""
    for shard in files.results(map_run_key):
        if shard["Status"] == "SUCCEEDED" or (shard["Status"] == "PENDING") != is_pending:
            continue
        common = {name: shard[name] for name in ("Status", "Error", "Cause") if name in shard}
        for place, item in enumerate(json.loads(shard["Input"])["Items"]):
            name, text = f"{shard.get('Name', '')}/{place}", json.dumps(item, ensure_ascii=False)
            yield json.dumps({**common, "Name": name, "Input": text}).encode() + b"\n"
