"""``make batch FILE=…``: the batch's state machine over a list, on this machine.

Standard output gets the totals alone; standard error gets the progress. The pictures, the results of every item and the
contact sheet are in ``out/<name>/``.
"""

import json
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from generate_image.functions import count_results, prepare_list
from generate_image.settings import Settings
from local.account import BUCKET, CREDENTIALS_ID
from local.account_folder import replace
from local.contact_sheet import Tile, contact_sheet
from local.estimate import estimate
from local.functions import ConcurrentFunction, environment
from local.lambda_context import Function, LocalContext
from local.progress import Progress
from local.state_machines import StateMachines, function_arn
from local.terminal import FAILURE, INTERRUPTED, CommandError, report, run_command
from local.watched import StoppedError, Watched
from local.workspace import Workspace, workspace

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient
    from mypy_boto3_stepfunctions.type_defs import DescribeExecutionOutputTypeDef

DEFINITION = Path(__file__).parents[1] / "statemachines" / "generate_images_batch.asl.yaml"
SUBSTITUTIONS = {
    "GenerateImageFunctionArn": function_arn("GenerateImageFunction"),
    "PrepareListFunctionArn": function_arn("PrepareListFunction"),
    "CountResultsFunctionArn": function_arn("CountResultsFunction"),
    "Partition": "aws",
    "BucketName": BUCKET,
    "Concurrency": "5",
    "ToleratedFailurePercentage": "100",
}
LOG = "batch.log"
MOMENT_SECONDS = 0.2
"""The longest wait before a retry with the stand-in."""
POLL_SECONDS = 0.2
FAILURES_SHOWN = 10
LONGEST_NAME = 80
SUFFIXES = (".json", ".jsonl", ".csv")


class Result(NamedTuple):
    """The result of one item. place: in the list, from 0. caption: its id and prompt."""

    place: int
    caption: str
    picture: str = ""
    error: str = ""
    message: str = ""


def main(path: Path, environ: Mapping[str, str]) -> int:
    """Run the list in a file and return the exit status. ``NAME`` is the batch's name, by default the file's."""
    if path.suffix.lower() not in SUFFIXES or not path.is_file():
        raise CommandError(f"FILE={path} is not a list: a file whose name ends in {', '.join(SUFFIXES)}.")
    with workspace(environ, LOG) as local:
        batch = LocalBatch(local, environ.get("NAME") or path.name)
        try:
            execution = batch.run(path)
        except KeyboardInterrupt:
            report(f"Interrupted. {batch.summary()}")
            return INTERRUPTED
        if execution["status"] != "SUCCEEDED":
            report(_failure(execution))
            return FAILURE
        totals = json.loads(execution["output"])
        batch.write_results(totals["results"])
        generate = batch.generate
        if generate.is_stopped:
            report(f"{f'Stopped: {generate.problem}' if generate.problem else 'Interrupted.'} {batch.summary()}")
            return FAILURE if generate.problem else INTERRUPTED
    json.dump(totals, sys.stdout, indent=2)
    sys.stdout.write("\n")
    return FAILURE if totals["failed"] else 0


class LocalBatch:
    """One execution of the batch's state machine."""

    def __init__(self, local: Workspace, name: str) -> None:
        self.generate = Watched(local.generate_function(), local, self._keep)
        self._local = local
        self._name = name
        self._folder = local.out / _file_name(name, "")
        self._s3 = local.s3()
        self._items = 0
        self._saved = 0
        self._folder.mkdir(exist_ok=True)

    def run(self, path: Path) -> "DescribeExecutionOutputTypeDef":
        """Run the list and return the execution. The first KeyboardInterrupt waits for the purchases in flight."""
        functions: dict[str, Function] = {
            "GenerateImageFunction": self.generate,
            "PrepareListFunction": self._prepare,
            "CountResultsFunction": self._function(count_results),
        }
        key = f"lists/{path.name}"
        self._s3.upload_file(str(path), BUCKET, key)
        batch = {"name": self._name, "list": key, "client_id": 1, "credentials_id": CREDENTIALS_ID}
        report(f"List: {path}. Pictures: {self._folder}/. The functions' log: {self._local.out / LOG}.")
        with StateMachines(self._local.account, functions, sleep=self._sleep) as machines:
            machine = machines.create("generate-images-batch", DEFINITION.read_text("utf-8"), SUBSTITUTIONS)
            started = machines.client.start_execution(
                stateMachineArn=machine, name=str(uuid4()), input=json.dumps(batch)
            )
            arn = started["executionArn"]
            try:
                return self._wait(machines.client, arn)
            except KeyboardInterrupt:
                self.generate.stop()
                report(
                    f"Stopping. Pictures in progress: {self.generate.in_flight}; this command waits for them. "
                    "Ctrl-C again ends it at once; then they may be billed and lost."
                )
                return self._wait(machines.client, arn)

    def write_results(self, manifest: str | None) -> None:
        """Write the results of the items and the contact sheet, and report the first failures."""
        lines = list(self._result_lines(manifest)) if manifest else []
        file = self._folder / "results.jsonl"
        replace(file, b"".join(f"{line}\n".encode() for line in lines))
        results = sorted(self._result(json.loads(line)) for line in lines)
        failures = [result for result in results if result.error not in ("", StoppedError.__name__)]
        for result in failures[:FAILURES_SHOWN]:
            report(f"{result.caption}: {result.error}: {result.message}")
        if len(failures) > FAILURES_SHOWN:
            report(f"{len(failures) - FAILURES_SHOWN} more failures are in {file}")
        tiles = [Tile(result.caption, result.picture, result.error) for result in results]
        sheet = self._folder / "index.html"
        replace(sheet, contact_sheet(self._name, tiles).encode())
        report(f"Contact sheet: {sheet}. Every item's answer or error: {file}. Its links end with this run.")

    def summary(self) -> str:
        """Return the money spent, and the way to go on."""
        return (
            f"{self._saved} of {self._items} pictures are in {self._folder}/. {self.generate.summary()} "
            "The same command buys only the missing ones."
        )

    def _function(self, module: Any) -> ConcurrentFunction:  # noqa: ANN401  # of generate_image.functions
        return ConcurrentFunction(
            module.build, lambda: environment(self._local.account, self._local.settings, self._local.log)
        )

    def _prepare(self, event: Any, context: LocalContext) -> Any:  # noqa: ANN401  # JSON
        prepared = self._function(prepare_list)(event, context)
        self._items = prepared["items"]
        if self._local.provider.costs_money:
            report(estimate(self._items, Settings.from_mapping(self._local.settings)))
        return prepared

    def _sleep(self, seconds: float) -> None:
        self.generate.sleep(seconds if self._local.provider.costs_money else min(seconds, MOMENT_SECONDS))

    def _wait(self, client: "SFNClient", arn: str) -> "DescribeExecutionOutputTypeDef":
        progress = Progress(sys.stderr)
        try:
            while True:
                execution = client.describe_execution(executionArn=arn)
                for event in client.get_execution_history(executionArn=arn)["events"]:
                    if event["type"] == "MapRunStarted":
                        run = client.describe_map_run(mapRunArn=event["mapRunStartedEventDetails"]["mapRunArn"])
                        counts = run["itemCounts"]
                        done = counts["succeeded"] + counts["failed"]
                        if not self.generate.is_stopped:
                            progress.show(done, self._items, counts["failed"], self.generate.waiting())
                if execution["status"] != "RUNNING":
                    return execution
                time.sleep(POLL_SECONDS)
        finally:
            progress.close()

    def _keep(self, event: Any, answer: Any) -> None:  # noqa: ANN401  # JSON
        """Save an item's picture."""
        key = answer["_meta_"]["key"]
        path = self._folder / self._picture(event, answer)
        if not path.is_file():
            replace(path, self._s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
        self._saved += 1

    def _picture(self, event: Mapping[str, Any], answer: Mapping[str, Any]) -> str:
        return _file_name(self._id(event), answer["_meta_"]["image_id"]) + Path(answer["_meta_"]["key"]).suffix

    def _id(self, event: Mapping[str, Any]) -> str:
        return str(event.get("idempotency_key", "")).removeprefix(f"{self._name}/")

    def _result_lines(self, manifest: str) -> Iterator[str]:
        content = self._s3.get_object(Bucket=BUCKET, Key=manifest.removeprefix(f"s3://{BUCKET}/"))["Body"].read()
        for files in json.loads(content)["ResultFiles"].values():
            for file in files:
                body = self._s3.get_object(Bucket=BUCKET, Key=file["Key"])["Body"].read()
                yield from body.decode().splitlines()

    def _result(self, line: Mapping[str, Any]) -> Result:
        """Return the result in a line that the Map Run wrote. Its name is the item's place, in moto only."""
        place, event = int(line["Name"]), json.loads(line["Input"])
        name = f"Item {self._id(event) or place}"
        if line["Status"] == "SUCCEEDED":
            answer = json.loads(line["Output"])
            return Result(place, f"{name}: {answer['_meta_']['prompt']}", picture=self._picture(event, answer))
        return Result(place, name, error=line["Error"], message=_message(line["Cause"]))


def _file_name(name: str, image_id: str) -> str:
    """Return a file name for an item's id. An id that is no file name gets the picture's id, so no two names meet."""
    safe = re.sub(r"[^\w #.,()+-]", "_", name).strip(". ")[:LONGEST_NAME]
    return safe if safe == name else "-".join(filter(None, (safe, image_id)))


def _failure(execution: "DescribeExecutionOutputTypeDef") -> str:
    error = execution.get("error", execution["status"])
    return f"{error}: {_message(execution.get('cause', ''))} Nothing was bought."


def _message(cause: str) -> str:
    """Return the message in the cause of a failed task: the function's own, if it has one."""
    with suppress(ValueError):
        found = json.loads(cause)
        return str(found.get("errorMessage", cause)) if isinstance(found, dict) else cause
    return cause


if __name__ == "__main__":
    run_command(lambda: main(Path(sys.argv[1]), os.environ))
