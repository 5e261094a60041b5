"""The folder of a local batch: its pictures as they come, the results of its items, and its contact sheet."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from local.account import BUCKET
from local.account_folder import replace
from local.contact_sheet import Tile, contact_sheet
from local.terminal import report
from local.watched import StoppedError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

FAILURES_SHOWN = 10
LONGEST_NAME = 80


class Result(NamedTuple):
    """The result of one item. place: in the list, from 0. caption: its id and prompt."""

    place: int
    caption: str
    picture: str = ""
    error: str = ""
    message: str = ""


class BatchFolder:
    """``out/<name>/``."""

    def __init__(self, out: Path, name: str, s3: "S3Client") -> None:
        self.path = out / (file_name(name) or "batch")
        self._name = name
        self._s3 = s3
        self.saved: set[str] = set()
        """The names of the pictures that are there."""

    def keep(self, event: Any, answer: Any) -> None:  # noqa: ANN401  # JSON
        """Save the picture of an item."""
        name, meta = self._picture(event, answer), answer["_meta_"]
        path = self.path / name
        if not meta["replayed"] or not path.is_file():
            self.path.mkdir(exist_ok=True)
            replace(path, self._read(meta["key"]))
        self.saved.add(name)

    def write_results(self, manifest: str | None) -> None:
        """Write the results of the items and the contact sheet, and report the first failures.

        manifest: the URL of the file with which Step Functions describes the results.
        """
        lines = list(self._lines(manifest)) if manifest else []
        results = sorted(self._result(number, json.loads(line)) for number, line in enumerate(lines))
        file, sheet = self.path / "results.jsonl", self.path / "index.html"
        self.path.mkdir(exist_ok=True)
        replace(file, b"".join(f"{line}\n".encode() for line in lines))
        tiles = [Tile(result.caption, result.picture, result.error) for result in results]
        replace(sheet, contact_sheet(self._name, tiles).encode())
        failures = [result for result in results if result.error not in ("", StoppedError.__name__)]
        for result in failures[:FAILURES_SHOWN]:
            report(f"{result.caption}: {result.error}: {result.message}")
        if len(failures) > FAILURES_SHOWN:
            report(f"{len(failures) - FAILURES_SHOWN} more failures are in {file}")
        report(f"Contact sheet: {sheet}. Every item's answer or error: {file}. Its links end with this run.")

    def _read(self, key: str) -> bytes:
        return self._s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()

    def _lines(self, manifest: str) -> Iterator[str]:
        content = json.loads(self._read(manifest.removeprefix(f"s3://{BUCKET}/")))
        for files in content["ResultFiles"].values():
            for file in files:
                yield from self._read(file["Key"]).decode().split("\n")[:-1]

    def _result(self, number: int, line: Mapping[str, Any]) -> Result:
        """Return the result in a line. Its name is the item's place, in moto only; in a shard, its number counts."""
        place, event = int(line["Name"]) if line["Name"].isdecimal() else number, json.loads(line["Input"])
        name = f"Item {self._id(event)}" if self._id(event) else "Invalid item"
        if line["Status"] == "SUCCEEDED":
            answer = json.loads(line["Output"])
            return Result(place, f"{name}: {answer['_meta_']['prompt']}", picture=self._picture(event, answer))
        return Result(place, name, error=line["Error"], message=message_of(line["Cause"]))

    def _picture(self, event: Mapping[str, Any], answer: Mapping[str, Any]) -> str:
        meta = answer["_meta_"]
        return file_name(self._id(event), meta["image_id"]) + Path(meta["key"]).suffix

    def _id(self, event: Mapping[str, Any]) -> str:
        """Return the item's id, or its place as ``#3``. An invalid item has none: its message names it."""
        return str(event.get("idempotency_key", "")).removeprefix(f"{self._name}/")


def file_name(name: str, image_id: str = "") -> str:
    """Return a file name. A name that is no file name gets the picture's id, so two names stay different."""
    safe = re.sub(r"[^\w #.,()+-]", "_", name).strip(". ")[:LONGEST_NAME]
    return safe if safe == name else "-".join(filter(None, (safe, image_id)))


def message_of(cause: str) -> str:
    """Return the message in the cause of a failed task: the function's own, if it has one."""
    with suppress(ValueError):
        found = json.loads(cause)
        return str(found.get("errorMessage", cause)) if isinstance(found, dict) else cause
    return cause
