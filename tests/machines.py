"""Both state machines of the template on this machine, with the functions behind them."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import partial
from io import StringIO
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from generate_image.functions import batch_shards, count_results, generate_image, prepare_list
from local.account import BUCKET, CREDENTIALS_ID, Account
from local.functions import ConcurrentFunction, environment
from local.openai_stand_in import StandIn
from local.state_machines import (
    GENERATE_IMAGE,
    GENERATE_IMAGES_BATCH,
    SUBSTITUTIONS,
    StateMachines,
    definition_of,
    definition_text,
)
from tests.memory_s3 import Clock

if TYPE_CHECKING:
    from local.lambda_context import Function

POLLS = 4_000
POLL_SECONDS = 0.05
HOUR = 3600
OWN_SUBSTITUTIONS = SUBSTITUTIONS | {"BatchPollSeconds": str(HOUR), "BatchShardSize": "2"}
"""A check each hour: fewer steps for a batch that takes a day. Small shards: two for a short list."""


@dataclass(frozen=True)
class Execution:
    """An execution that has ended. error: its name."""

    arn: str
    status: str
    output: Any
    error: str


class Machines:
    """Runs executions of both machines.

    batch_shards: the function that buys shards; a test may replace it. waits: seconds of every retry, none of which is
    waited. log: of all functions. A Wait moves the clock of the stand-in's batches and of the function that buys them.
    """

    def __init__(self, account: Account, stand_in: StandIn) -> None:
        self.stand_in = stand_in
        self.log = StringIO()
        self.waits: list[float] = []
        clock = Clock()
        clock.now = time.time()
        stand_in.clock, stand_in.batch_seconds = clock, HOUR
        self.s3 = account.s3()
        settings = {**account.settings, "OPENAI_BASE_URL": stand_in.base_url}
        start = partial(environment, account, settings, self.log, sleep=lambda _: None)
        build = partial(generate_image.build, storing_seconds=1, shortest_purchase_seconds=0.1)
        self.batch_shards: Function = ConcurrentFunction(batch_shards.build, partial(start, clock=clock))
        functions: dict[str, Function] = {
            "GenerateImageFunction": ConcurrentFunction(build, start),
            "PrepareListFunction": ConcurrentFunction(prepare_list.build, start),
            "CountResultsFunction": ConcurrentFunction(count_results.build, start),
            "BatchShardsFunction": lambda event, context: self.batch_shards(event, context),  # noqa: PLW0108  # replaceable
        }
        self._machines = StateMachines(account, functions, sleep=self.waits.append, wait=clock.pass_by)

    @contextmanager
    def running(self) -> Iterator["Machines"]:
        with self._machines, redirect_stdout(self.log):  # the metrics
            self._arns = {
                name: self._machines.create(name, definition_text(name), OWN_SUBSTITUTIONS)
                for name in (GENERATE_IMAGE, GENERATE_IMAGES_BATCH)
            }
            yield self

    def run(self, machine: str, event: object, name: str = "") -> Execution:
        return self._run(self._arns[machine], event, name)

    def run_batch(self, items: object, **given: object) -> Execution:
        """Put a list into the bucket and run the batch over it."""
        key = "lists/boats.json"
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=json.dumps(items).encode())
        batch = {"list": key, "client_id": 1, "credentials_id": CREDENTIALS_ID, **given}
        return self.run(GENERATE_IMAGES_BATCH, batch)

    def redrive(self, execution: Execution) -> Execution:
        """Run a failed batch again from its failed state, with that state's input.

        moto has no RedriveExecution, which does the same under the same name:
        https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html
        """
        history = self._machines.client.get_execution_history(executionArn=execution.arn)["events"]
        entered = [event["stateEnteredEventDetails"] for event in history if "stateEnteredEventDetails" in event]
        definition = definition_of(definition_text(GENERATE_IMAGES_BATCH), OWN_SUBSTITUTIONS)
        definition["StartAt"] = entered[-1]["name"]
        arn = self._machines.create(f"redriven-{uuid4()}", json.dumps(definition), OWN_SUBSTITUTIONS)
        return self._run(arn, json.loads(entered[-1]["input"]), execution.arn.rpartition(":")[2])

    def results(self, execution: Execution) -> list[dict[str, Any]]:
        """Return the results of a batch's items."""
        manifest = json.loads(self._read(execution.output["results"].removeprefix(f"s3://{BUCKET}/")))
        keys = [file["Key"] for files in manifest["ResultFiles"].values() for file in files]
        return [json.loads(line) for key in keys for line in self._read(key).splitlines()]

    def _read(self, key: str) -> str:
        return self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode()

    def _run(self, arn: str, event: object, name: str) -> Execution:
        client = self._machines.client
        started = client.start_execution(stateMachineArn=arn, name=name or str(uuid4()), input=json.dumps(event))
        for _ in range(POLLS):
            found = client.describe_execution(executionArn=started["executionArn"])
            if found["status"] != "RUNNING":
                output = json.loads(found.get("output", "null"))
                return Execution(found["executionArn"], found["status"], output, found.get("error", ""))
            time.sleep(POLL_SECONDS)
        raise AssertionError(f"{arn} did not end")
