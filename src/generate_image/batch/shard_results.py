"""The results of a list whose shards were bought in batches, as if each item had had an execution of its own."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from generate_image.aws.batch_files import BatchFiles

STATUSES = ("FAILED", "PENDING", "SUCCEEDED")


class ShardResults:
    """Reads the results of a Map Run over shards. Its methods raise as BatchFiles does."""

    def __init__(self, files: BatchFiles, map_run_key: str, folder: str) -> None:
        """map_run_key: the manifest that Step Functions wrote. folder: for the manifest of the items."""
        self._files = files
        self._map_run_key = map_run_key
        self._folder = folder

    def items(self) -> Iterator[dict[str, Any]]:
        """Yield the result of every item."""
        for shard in self._files.results(self._map_run_key):
            if shard["Status"] == "SUCCEEDED":
                for file in (file for files in _files_of(shard).values() for file in files):
                    yield from self._files.lines(file["Key"])
            else:
                yield from _items_of(shard)

    def write_manifest(self, bucket: str) -> str:
        """Write the manifest of the items and return its key. bucket: the name, for the manifest."""
        listed: dict[str, list[Any]] = {status: [] for status in STATUSES}
        is_each_done = True
        for shard in self._files.results(self._map_run_key):
            is_each_done &= shard["Status"] == "SUCCEEDED"
            for status, files in _files_of(shard).items():
                listed[status] += files
        if not is_each_done:
            for status in ("FAILED", "PENDING"):
                key = f"{self._folder}/shards/{status}_executions.jsonl"
                if self._files.write(key, self._failed_lines(status)):
                    listed[status].append({"Key": key})
        manifest = {"DestinationBucket": bucket, "ResultFiles": listed}
        key = f"{self._folder}/manifest.json"
        self._files.write(key, [json.dumps(manifest).encode()])
        return key

    def _failed_lines(self, status: str) -> Iterator[bytes]:
        for shard in self._files.results(self._map_run_key):
            is_pending = shard["Status"] == "PENDING"
            if shard["Status"] != "SUCCEEDED" and is_pending == (status == "PENDING"):
                for item in _items_of(shard):
                    yield json.dumps(item).encode() + b"\n"


def _files_of(shard: Mapping[str, Any]) -> Mapping[str, list[dict[str, Any]]]:
    """Return the result files of a shard by status."""
    files: Mapping[str, list[dict[str, Any]]] = json.loads(shard.get("Output") or "{}")
    return files if shard["Status"] == "SUCCEEDED" else {}


def _items_of(shard: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the results of a shard whose execution failed or did not start: each item has its error."""
    for place, item in enumerate(json.loads(shard["Input"])["Items"]):
        common = {name: shard[name] for name in ("Status", "Error", "Cause") if name in shard}
        yield {**common, "Name": f"{shard.get('Name', '')}/{place}", "Input": json.dumps(item, ensure_ascii=False)}
