"""``make batch FILE=…``: the batch's state machine over a list, on this machine. ``PRICING=batch``: at half the price.

Standard output gets the totals alone; standard error gets the progress. The pictures, the results of every item and the
contact sheet are in ``out/<name>/``.
"""

import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from generate_image.functions import count_results, generate_image, prepare_list
from generate_image.picture import BATCH
from generate_image.settings import Settings
from local.account import BUCKET, CREDENTIALS_ID
from local.batch_folder import BatchFolder, message_of
from local.batch_pricing import STAND_IN_POLL_SECONDS, Shards, execution_name
from local.estimate import estimate
from local.lambda_context import Function, LocalContext
from local.progress import Progress
from local.state_machines import GENERATE_IMAGES_BATCH, SUBSTITUTIONS, StateMachines, definition_text
from local.terminal import FAILURE, INTERRUPTED, CommandError, report, run_command
from local.watched import StoppedError, Watched
from local.workspace import Workspace, workspace

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions.type_defs import DescribeExecutionOutputTypeDef

LOG = "batch.log"
MOMENT_SECONDS = 0.2
"""The longest wait before a retry with the stand-in."""
POLL_SECONDS = 0.2
SUFFIXES = (".json", ".jsonl", ".csv")


def main(path: Path, environ: Mapping[str, str]) -> int:
    """Run the list in a file and return the exit status. ``NAME`` is the batch's name, by default the file's."""
    if not path.is_file():
        raise CommandError(f"FILE={path} is not a list: there is no such file.")
    if path.suffix.lower() not in SUFFIXES:
        raise CommandError(f"FILE={path} is not a list: its name must end in {', '.join(SUFFIXES)}.")
    with workspace(environ, LOG) as local:
        batch = LocalBatch(local, environ.get("NAME") or path.name, environ)
        try:
            execution = batch.run(path)
        except KeyboardInterrupt:
            report(f"Interrupted. {batch.summary()}")
            return INTERRUPTED
        if execution["status"] != "SUCCEEDED":
            error = execution.get("error", execution["status"])
            report(f"{error}: {message_of(execution.get('cause', ''))} {batch.generate.summary()}")
            return FAILURE
        totals = json.loads(execution["output"])
        batch.folder.write_results(totals["results"])
        if batch.generate.stopped.is_set():
            if StoppedError.__name__ in totals["failed"]:
                # Without these results, the next start continues the execution.
                local.account.s3().delete_object(Bucket=BUCKET, Key=totals["results"].removeprefix(f"s3://{BUCKET}/"))
            problem = batch.generate.problem
            report(f"{f'Stopped: {problem}' if problem else 'Interrupted.'} {batch.summary()}")
            return FAILURE if problem else INTERRUPTED
    json.dump(totals, sys.stdout, indent=2)
    sys.stdout.write("\n")
    return FAILURE if totals["failed"] else 0


class LocalBatch:
    """One execution of the batch's state machine."""

    def __init__(self, local: Workspace, name: str, environ: Mapping[str, str]) -> None:
        """environ: PRICING of the batch, and BATCH_POLL_SECONDS between two looks at a batch of the provider."""
        self.folder = BatchFolder(local.out, name, local.account.s3())
        self.generate = Watched(local.function(generate_image.build), local, self.folder.keep)
        self.shards = Shards(local, self.folder, self.generate.stopped)
        self._local = local
        self._name = name
        self._pricing = environ.get("PRICING") or "standard"
        self._poll_seconds = environ.get("BATCH_POLL_SECONDS", "")
        self._items = 0

    def run(self, path: Path) -> "DescribeExecutionOutputTypeDef":
        """Run the list and return the execution. The first KeyboardInterrupt waits for the purchases in flight."""
        functions: dict[str, Function] = {
            "GenerateImageFunction": self.generate,
            "PrepareListFunction": self._prepare,
            "CountResultsFunction": self._local.function(count_results.build),
            "BatchShardsFunction": self.shards,
        }
        key = f"lists/{path.name}"
        self._local.account.s3().upload_file(str(path), BUCKET, key)
        batch = {"name": self._name, "list": key, "client_id": 1, "credentials_id": CREDENTIALS_ID}
        batch["pricing"] = self._pricing
        name = execution_name(self._name, self._local.account.s3()) if self._pricing == BATCH else str(uuid4())
        seconds = SUBSTITUTIONS["BatchPollSeconds"] if self._local.provider.costs_money else str(STAND_IN_POLL_SECONDS)
        poll = {"BatchPollSeconds": self._poll_seconds or seconds}
        report(f"List: {path}. Pictures: {self.folder.path}/. The functions' log: {self._local.out / LOG}.")
        with StateMachines(self._local.account, functions, sleep=self._sleep, wait=self._pause) as machines:
            definition = definition_text(GENERATE_IMAGES_BATCH)
            machine = machines.create("generate-images-batch", definition, SUBSTITUTIONS | poll)
            started = machines.client.start_execution(stateMachineArn=machine, name=name, input=json.dumps(batch))
            try:
                return self._wait(machines, started["executionArn"])
            except KeyboardInterrupt:
                self.generate.stop()
                report(
                    f"Stopping. Pictures in progress: {self.generate.in_flight}; this command waits for them. "
                    "Ctrl-C again ends it at once; then they may be billed and lost."
                )
                return self._wait(machines, started["executionArn"])

    def summary(self) -> str:
        """Return the money spent, and the way to go on."""
        return (
            f"{len(self.folder.saved)} of {self._items} pictures are in {self.folder.path}/. "
            f"{self.generate.summary()} The same command buys only the missing ones."
        )

    def _prepare(self, event: Any, context: LocalContext) -> Any:  # noqa: ANN401  # JSON
        prepared = self._local.function(prepare_list.build)(event, context)
        self._items = prepared["items"]
        if self._local.provider.costs_money:
            report(estimate(self._items, Settings.from_mapping(self._local.settings), self._pricing))
        return prepared

    def _sleep(self, seconds: float) -> None:
        self.generate.sleep(seconds if self._local.provider.costs_money else min(seconds, MOMENT_SECONDS))

    def _pause(self, seconds: float) -> None:
        """Wait before a check of a batch at the provider. A stop ends the wait."""
        self.generate.stopped.wait(seconds)

    def _wait(self, machines: StateMachines, arn: str) -> "DescribeExecutionOutputTypeDef":
        """Show the progress until the execution ends, and return it."""
        progress = Progress(sys.stderr)
        items = self.shards if self._pricing == BATCH else machines.map_run
        try:
            while True:
                execution = machines.client.describe_execution(executionArn=arn)
                if not self.generate.stopped.is_set():
                    waiting = self.generate.waiting() or self.shards.waiting()
                    progress.show(items.done, self._items, items.failed, waiting)
                if execution["status"] != "RUNNING":
                    return execution
                time.sleep(POLL_SECONDS)
        finally:
            progress.close()


if __name__ == "__main__":
    run_command(lambda: main(Path(sys.argv[1]), os.environ))
