"""The two state machines of the template, run on this machine with the module behind them."""

import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import uuid4

from generate_image import totals
from generate_image.handler import told
from local.account import BUCKET, CREDENTIALS_ID, Account
from local.environments import Environments
from local.lambda_context import LocalContext
from local.openai_stand_in import StandIn
from local.state_machines import StateMachines, definition_of, function_arn
from local.step_functions_gaps import Function
from tests.module import Module

DEFINITIONS = Path(__file__).parents[2] / "statemachines"
SUBSTITUTIONS = {
    "GenerateImageFunctionArn": function_arn("GenerateImageFunction"),
    "CountResultsFunctionArn": function_arn("CountResultsFunction"),
    "BucketName": BUCKET,
    "Concurrency": "5",
    "ToleratedFailurePercentage": "100",
}
SINGLE = "generate_image"
BATCH = "generate_images_batch"
EXECUTION_SECONDS = 120


def read_definition(name: str) -> dict[str, Any]:
    """Return a definition as it is deployed."""
    return definition_of(text_of(name), SUBSTITUTIONS)


def text_of(name: str) -> str:
    """Return a definition's file."""
    return (DEFINITIONS / f"{name}.asl.yaml").read_text("utf-8")


@dataclass(frozen=True)
class Execution:
    """How an execution ended. error: its name; message: its own, out of Lambda's JSON where a function raised it."""

    name: str
    status: str
    output: Any
    error: str
    message: str


def message_of(cause: str) -> str:
    """Return what a function's error says, or the cause itself where no function raised it."""
    return str(json.loads(cause)["errorMessage"]) if cause.startswith("{") else cause


class Flow:
    """Executions of both machines. buy: what the Lambda task calls; the module itself, if nothing else is set."""

    def __init__(self, account: Account, stand_in: StandIn) -> None:
        self._account = account
        self._stand_in = stand_in
        self.modules: list[Module] = []
        self.module = self._environment()
        self.buy: Function = Environments(self._next_environment)
        self.waits: list[float] = []
        self._machines = StateMachines(
            account,
            {
                "GenerateImageFunction": self._buy,
                "CountResultsFunction": lambda event, _: totals.count(self.module.s3, **event),
            },
            sleep=self.waits.append,
        )

    @contextmanager
    def open(self) -> Iterator["Flow"]:
        """Have the machines for as long as the context lasts; see then that nothing leaked into a log."""
        with self._machines, redirect_stdout(StringIO()) as metrics:
            self._arns = {name: self._machines.create(name, text_of(name), SUBSTITUTIONS) for name in (SINGLE, BATCH)}
            yield self
        self.module.log.write(metrics.getvalue())
        for module in self.modules:
            module.assert_nothing_leaked()

    def run(self, machine: str, event: object, name: str | None = None) -> Execution:
        """Run an execution to its end."""
        name = name or str(uuid4())
        client = self._machines.client
        arn = client.start_execution(stateMachineArn=self._arns[machine], name=name, input=json.dumps(event))[
            "executionArn"
        ]
        for _ in range(EXECUTION_SECONDS * 50):
            execution = client.describe_execution(executionArn=arn)
            if execution["status"] != "RUNNING":
                cause = execution.get("cause", "")
                output = json.loads(execution.get("output", "null"))
                return Execution(name, execution["status"], output, execution.get("error", ""), message_of(cause))
            time.sleep(0.02)
        raise AssertionError(f"{machine} did not end")

    def run_batch(self, key: str, content: str, **given: object) -> Execution:
        """Put a list into the bucket and run the batch over it."""
        self.module.s3.put_object(Bucket=BUCKET, Key=key, Body=content.encode())
        return self.run(BATCH, {"list": key, "client_id": 1, "credentials_id": CREDENTIALS_ID, **given})

    def results(self, execution: Execution) -> list[dict[str, Any]]:
        """Return what the batch's results say of each item, its input and output read."""
        manifest = json.loads(self.read(execution.output["results"]))
        files = [file for files in manifest["ResultFiles"].values() for file in files]
        lines = [line for file in files for line in self.read(f"s3://{BUCKET}/{file['Key']}").splitlines()]
        return [
            result | {name: json.loads(result[name]) for name in ("Input", "Output") if name in result}
            for result in map(json.loads, lines)
        ]

    def read(self, url: str) -> str:
        """Return what lies at an s3:// URL."""
        bucket, key = re.fullmatch(r"s3://([^/]+)/(.+)", url).groups()  # type: ignore[union-attr]  # else the test fails
        return self.module.s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()

    def _buy(self, event: object, context: LocalContext) -> Any:  # noqa: ANN401  # whatever the function answers
        return self.buy(event, context)

    def _next_environment(self) -> Function:
        return _function_of(self._environment())

    def _environment(self) -> Module:
        self.modules.append(Module(self._account, self._stand_in))
        return self.modules[-1]


def _function_of(module: Module) -> Function:
    def serve(event: object, context: LocalContext) -> dict[str, Any]:
        if isinstance(event, dict):
            module._remember_prompts(event)
        return told(module.telemetry, context, lambda: module.handler.serve(event, context))

    return serve


def scripted(*errors: Exception, answer: Mapping[str, Any]) -> Function:
    """Return a function that raises each error in turn, and then answers."""
    waiting = list(errors)

    def function(event: object, context: LocalContext) -> Mapping[str, Any]:
        del event, context
        if waiting:
            raise waiting.pop(0)
        return answer

    return function
