"""``make batch FILE=…``: the batch's state machine over a list, on this machine.

Standard output gets the totals, alone; standard error gets the progress. What came out is in ``out/``: a contact sheet,
the results of every item, and the function's log. Without ``OPENAI_API_KEY`` in the environment the pictures are drawn
by the stand-in, and no retry waits longer than a moment.
"""

import csv
import json
import os
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from generate_image import totals
from generate_image.handler import AWS_CONFIG
from local.account import BUCKET, CREDENTIALS_ID, Account, local_account
from local.contact_sheet import Tile, contact_sheet
from local.functions import buying_function
from local.progress_bar import ProgressBar
from local.provider import provider
from local.state_machines import StateMachines, function_arn

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_stepfunctions import SFNClient
    from mypy_boto3_stepfunctions.type_defs import DescribeExecutionOutputTypeDef

OUT = Path("out")
DEFINITION = Path(__file__).parents[1] / "statemachines" / "generate_images_batch.asl.yaml"
SUBSTITUTIONS = {
    "GenerateImageFunctionArn": function_arn("GenerateImageFunction"),
    "CountResultsFunctionArn": function_arn("CountResultsFunction"),
    "BucketName": BUCKET,
    "Concurrency": "5",
    "ToleratedFailurePercentage": "100",
}
FORMATS = (".json", ".jsonl", ".csv")
MOMENT_SECONDS = 0.2
POLL_SECONDS = 0.2
LARGEST_SHEET = 300
FAILURES_TOLD = 10


@dataclass(frozen=True, slots=True)
class Result:
    """What became of an item. place: in the list, from 0. key: of its picture, where it has one."""

    place: int
    caption: str
    key: str = ""
    error: str = ""
    message: str = ""


def main(path: Path, environ: Mapping[str, str]) -> int:
    """Run the list in the file and return the exit status."""
    if path.suffix not in FORMATS or not path.is_file():
        _tell(f"{path} is not a list: a file that ends in {', '.join(FORMATS)}. events/batch.json is one.")
        return 2
    OUT.mkdir(exist_ok=True)
    log = OUT / "batch.log"
    total = items_in(path)
    _tell(f"List: {path}, {'?' if total is None else total} items; the function's log is in {log}")
    with (
        log.open("w", encoding="utf-8", buffering=1) as stream,
        provider(environ, _tell) as (secret, settings),
        local_account() as account,
    ):
        account.create_secret(secret)
        s3 = account.session().client("s3", endpoint_url=account.endpoint, config=AWS_CONFIG)
        functions = {
            "GenerateImageFunction": buying_function(account, account.settings | settings, stream),
            "CountResultsFunction": lambda event, _: totals.count(s3, **event),
        }
        sleep = _a_moment if "OPENAI_BASE_URL" in settings else time.sleep
        with redirect_stdout(stream), StateMachines(account, functions, sleep=sleep) as machines:
            execution = _run(machines, s3, path, ProgressBar(total, sys.stderr))
        if execution["status"] != "SUCCEEDED":
            _tell(f"{execution['error']}: {execution['cause']}")
            return 1
        counted = json.loads(execution["output"])
        _tell_results(s3, counted["results"], path.stem, account)
    json.dump(counted, sys.stdout, indent=2)
    sys.stdout.write("\n")
    return 0


def items_in(path: Path) -> int | None:
    """Return how many items a list has; None where it is malformed, which the state machine will tell."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            if path.suffix == ".csv":
                return sum(1 for _ in csv.DictReader(file))
            if path.suffix == ".jsonl":
                return sum(1 for line in file if line.strip())
            items = json.load(file)
    except (ValueError, csv.Error):
        return None
    return len(items) if isinstance(items, list) else None


def _run(machines: StateMachines, s3: "S3Client", path: Path, bar: ProgressBar) -> "DescribeExecutionOutputTypeDef":
    key = f"lists/{path.name}"
    s3.put_object(Bucket=BUCKET, Key=key, Body=path.read_bytes())
    machine = machines.create("generate-images-batch", DEFINITION.read_text("utf-8"), SUBSTITUTIONS)
    batch = {"name": path.stem, "list": key, "client_id": 1, "credentials_id": CREDENTIALS_ID}
    client = machines.client
    arn = client.start_execution(stateMachineArn=machine, name=str(uuid4()), input=json.dumps(batch))["executionArn"]
    while (execution := client.describe_execution(executionArn=arn))["status"] == "RUNNING":
        _show_progress(client, arn, bar)
        time.sleep(POLL_SECONDS)
    _show_progress(client, arn, bar)
    bar.close()
    return execution


def _show_progress(client: "SFNClient", execution_arn: str, bar: ProgressBar) -> None:
    for event in client.get_execution_history(executionArn=execution_arn)["events"]:
        if event["type"] == "MapRunStarted":
            run = event["mapRunStartedEventDetails"]["mapRunArn"]
            counts = client.describe_map_run(mapRunArn=run)["itemCounts"]
            bar.show(counts["succeeded"], counts["failed"])


def _tell_results(s3: "S3Client", manifest: str, name: str, account: Account) -> None:
    """Leave the results and the contact sheet in ``out/``, and tell of the first failures."""
    lines = list(_lines(s3, manifest.removeprefix(f"s3://{BUCKET}/")))
    file = OUT / f"{name}.results.jsonl"
    file.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    results = sorted((_result(json.loads(line)) for line in lines), key=lambda result: result.place)
    failures = [result for result in results if result.error]
    for result in failures[:FAILURES_TOLD]:
        _tell(f"Item {result.place}: {result.error}: {result.message}")
    if len(failures) > FAILURES_TOLD:
        _tell(f"… and {len(failures) - FAILURES_TOLD} more failures")
    _tell(f"Every item's answer or error: {file} (the links in it end with this run, as {account.endpoint} does)")
    if results:
        tiles = [
            Tile(result.caption, None if result.error else _picture(s3, result.key), result.error)
            for result in results[:LARGEST_SHEET]
        ]
        sheet = OUT / f"{name}.contact-sheet.png"
        contact_sheet(tiles).save(sheet)
        _tell(f"The pictures: {sheet}" + (f", the first {LARGEST_SHEET}" if len(results) > LARGEST_SHEET else ""))


def _lines(s3: "S3Client", manifest_key: str) -> Iterable[str]:
    manifest = json.loads(s3.get_object(Bucket=BUCKET, Key=manifest_key)["Body"].read())
    for files in manifest["ResultFiles"].values():
        for file in files:
            yield from s3.get_object(Bucket=BUCKET, Key=file["Key"])["Body"].read().decode().splitlines()


def _result(told: Mapping[str, Any]) -> Result:
    """Return what a line of a Map Run's results says."""
    asked = json.loads(told["Input"])
    place = int(asked["given"]["id"].removeprefix("#"))
    item = asked["item"] if isinstance(asked["item"], dict) else {}
    if told["Status"] == "SUCCEEDED":
        meta = json.loads(told["Output"])["_meta_"]
        return Result(place, f"{item.get('id') or place}: {meta['prompt']}", key=meta["key"])
    cause = told["Cause"]
    message = json.loads(cause)["errorMessage"] if cause.startswith("{") else cause
    return Result(place, str(item.get("id") or place), error=told["Error"], message=message)


def _picture(s3: "S3Client", key: str) -> bytes:
    return s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()


def _a_moment(seconds: float) -> None:
    time.sleep(min(seconds, MOMENT_SECONDS))


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), os.environ))
