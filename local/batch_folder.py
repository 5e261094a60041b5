"""The folder of a local batch: its pictures as they come, the results of its items, and a contact sheet of both."""

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from local.account import BUCKET
from local.account_folder import replace
from local.terminal import report
from local.watched import StoppedError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

FAILURES_SHOWN = 10
LONGEST_NAME = 80
PAGE = """<!doctype html>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 14px/1.4 system-ui, sans-serif; margin: 1rem; color: #1f2328; background: #fff }}
main {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(200px, 1fr)); gap: 1rem }}
figure {{ margin: 0; overflow-wrap: anywhere }}
img, .failed {{ width: 100%; aspect-ratio: 1; object-fit: contain; display: grid; place-content: center }}
.failed {{ background: #fdecea; color: #8f1d14; text-align: center }}
</style>
<h1>{title}</h1>
<main>
{figures}
</main>
"""


class Result(NamedTuple):
    """The result of one item. place: its shard, empty without one, and its number. caption: its id and prompt.

    picture: the name of its file; empty if it failed with ``error``.
    """

    place: tuple[str, int]
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
            replace(path, self.read(meta["key"]))
        self.saved.add(name)

    def write_results(self, manifest: str | None) -> None:
        """Write the results of the items and the contact sheet, and report the first failures.

        manifest: the URL of the file with which Step Functions describes the results.
        """
        lines: list[bytes] = []
        if manifest:
            files = json.loads(self.read(manifest.removeprefix(f"s3://{BUCKET}/")))["ResultFiles"].values()
            lines = [line for of_status in files for file in of_status for line in self.read(file["Key"]).splitlines()]
        results = sorted(self._result(json.loads(line)) for line in lines)
        file, sheet = self.path / "results.jsonl", self.path / "index.html"
        self.path.mkdir(exist_ok=True)
        replace(file, b"".join(line + b"\n" for line in lines))
        replace(sheet, contact_sheet(self._name, results).encode())
        failures = [result for result in results if result.error not in ("", StoppedError.__name__)]
        for result in failures[:FAILURES_SHOWN]:
            report(f"{result.caption}: {result.error}: {result.message}")
        if len(failures) > FAILURES_SHOWN:
            report(f"{len(failures) - FAILURES_SHOWN} more failures are in {file}")
        report(f"Contact sheet: {sheet}. Every item's answer or error: {file}. Its links end with this run.")

    def read(self, key: str) -> bytes:
        """Return an object of the bucket."""
        return self._s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()

    def _result(self, line: Mapping[str, Any]) -> Result:
        shard, _, number = line["Name"].rpartition("/")
        event, place = json.loads(line["Input"]), (shard, int(number))
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


def contact_sheet(title: str, results: Sequence[Result]) -> str:
    """Return an HTML page with the pictures, and with the errors of the failed items."""
    return PAGE.format(title=escape(title), figures="\n".join(map(_figure, results)))


def _figure(result: Result) -> str:
    caption = f'<figcaption dir="auto">{escape(result.caption)}</figcaption>'
    if not result.picture:
        return f'<figure><div class="failed">{escape(result.error)}</div>{caption}</figure>'
    url = escape(quote(result.picture))
    return f'<figure><a href="{url}"><img src="{url}" alt="" loading="lazy"></a>{caption}</figure>'
