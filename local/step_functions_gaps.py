"""The features of AWS Step Functions that moto lacks, added while a `StateMachines` is open.

In moto 5.2, a Lambda task cannot call a Python function, and a retry and a wait take real time. A Distributed Map reads
no JSON Lines, makes no batches of items, tolerates every failure and writes an empty manifest. So each Distributed Map
becomes a task that calls `MapRun`, which starts an execution for each item, as AWS does. Only features that this
project's definitions use are here. Not here: `MaxInputBytesPerBatch`, and results of a Map Run that fails.

https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html
"""

import base64
import json
import logging
import traceback
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Lock
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import patch
from uuid import uuid4

from moto.core.config import default_user_config
from moto.stepfunctions.parser.api import StateMachineType
from moto.stepfunctions.parser.asl.component.common.error_name import custom_error_name
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import WaitFunction
from moto.stepfunctions.parser.backend.execution import SyncExecution

from local.account import REGION
from local.lambda_context import Function, LocalContext

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LOG = logging.getLogger("moto.stepfunctions")
MAP_RUN = "MapRun"
"""The name of the function behind a Distributed Map."""
MOST_CONCURRENCY = 40
"""Of a Map without a limit."""


class InvocationError(Exception):
    """An error of Step Functions itself. name: such as ``States.ExceedToleratedFailureThreshold``."""

    def __init__(self, name: str, message: str) -> None:
        self.name = name
        super().__init__(message)


@contextmanager
def filled(
    functions: Mapping[str, Function], sleep: Callable[[float], None], wait: Callable[[float], None]
) -> Iterator[None]:
    """Change moto in the whole process until the context ends.

    functions: by name. sleep: waits before a retry. wait: waits in a Wait state.
    """

    def invoke(parameters: Mapping[str, Any], **_: object) -> dict[str, Any]:
        return _invoke(functions[parameters["FunctionName"].rpartition(":")[2]], parameters)

    LOG.setLevel(logging.CRITICAL)  # moto logs each failed attempt with the whole state
    try:
        with (
            patch.dict(default_user_config["stepfunctions"], execute_state_machine=True),
            patch.object(lambda_eval_utils, "_invoke_lambda_function", invoke),
            patch.object(custom_error_name, "ILLEGAL_CUSTOM_ERROR_PREFIX", "No prefix: MapRun raises States' errors."),
            patch.object(retrier_decl, "time", SimpleNamespace(sleep=sleep)),
            patch.object(WaitFunction, "_wait_interval", lambda _, env, wait_seconds: wait(wait_seconds)),  # noqa: ARG005
        ):
            yield
    finally:
        LOG.setLevel(logging.NOTSET)


def _invoke(function: Function, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the response of Lambda's Invoke. An exception of the function becomes a payload."""
    client_context = json.loads(base64.b64decode(parameters.get("ClientContext", "e30=")))
    answer_bytes = client_context.get("custom", {}).get("answer_bytes")
    context = LocalContext(answer_bytes=None if answer_bytes is None else int(answer_bytes))
    try:
        payload = function(json.loads(parameters["Payload"]), context)
    except Exception as error:  # noqa: BLE001  # Lambda's runtime reports every exception of a handler
        failure = {
            "errorMessage": str(error),
            "errorType": error.name if isinstance(error, InvocationError) else type(error).__name__,
            "requestId": context.aws_request_id,
            "stackTrace": traceback.format_tb(error.__traceback__),
        }
        return {"StatusCode": 200, "FunctionError": "Unhandled", "Payload": failure}
    return {"StatusCode": 200, "ExecutedVersion": "$LATEST", "Payload": json.loads(json.dumps(payload))}


def without_maps(definition: Mapping[str, Any]) -> dict[str, Any]:
    """Return a definition whose Distributed Maps are tasks of the function MAP_RUN."""
    states = definition["States"].items()
    return {
        **definition,
        "States": {name: _task_of(state) if "ItemReader" in state else state for name, state in states},
    }


def _task_of(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the task for a Map: its payload has the fields of the Map that are evaluated at its start."""
    payload = {
        "max_concurrency.$": state["MaxConcurrencyPath"],
        "tolerated_failure_percentage.$": state["ToleratedFailurePercentagePath"],
        "items": state["ItemReader"]["Parameters"],
        "batcher": state.get("ItemBatcher", {}),
        "results": state["ResultWriter"]["Parameters"],
        "processor": json.dumps({name: state["ItemProcessor"][name] for name in ("StartAt", "States")}),
    }
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": MAP_RUN, "Payload": payload},
        "ResultSelector": {"ResultWriterDetails.$": "$.Payload"},
        "ResultPath": state["ResultPath"],
        "Next": state["Next"],
    }


class MapRun:
    """The function behind a Distributed Map. done, failed: numbers of its executions so far."""

    def __init__(self, s3: "S3Client") -> None:
        self._s3 = s3
        self._lock = Lock()
        self.done = 0
        self.failed = 0

    def __call__(self, run: Any, _context: LocalContext) -> dict[str, str]:  # noqa: ANN401  # JSON
        """Run the executions of a Map and return the place of their results. run: the payload of ``_task_of``."""
        inputs: list[Any] = [json.loads(line) for line in self._s3.get_object(**run["items"])["Body"].iter_lines()]
        if run["batcher"]:
            size, common = run["batcher"]["MaxItemsPerBatch"], {"BatchInput": run["batcher"]["BatchInput"]}
            inputs = [common | {"Items": inputs[at : at + size]} for at in range(0, len(inputs), size)]
        self.done = self.failed = 0
        tolerated = run["tolerated_failure_percentage"] * len(inputs) / 100

        def execute(place: int, given: object) -> dict[str, Any]:
            result = {"Name": str(place), "Input": json.dumps(given, ensure_ascii=False), "Status": "PENDING"}
            if self.failed <= tolerated:
                result |= _execute(run["processor"], result["Input"])
                with self._lock:
                    self.done += 1
                    self.failed += result["Status"] == "FAILED"
            return result

        with ThreadPoolExecutor(run["max_concurrency"] or MOST_CONCURRENCY) as pool:
            results = list(pool.map(execute, range(len(inputs)), inputs))
        if self.failed > tolerated:
            threshold = "The specified tolerated failure threshold was exceeded."
            raise InvocationError("States.ExceedToleratedFailureThreshold", threshold)
        return self._write(results, run["results"]["Bucket"], f"{run['results']['Prefix']}/{uuid4()}")

    def _write(self, results: list[dict[str, Any]], bucket: str, folder: str) -> dict[str, str]:
        """Write the results as JSON Lines, one file for each status, and their manifest. Return its place.

        https://docs.aws.amazon.com/step-functions/latest/dg/input-output-resultwriter.html
        """
        files: dict[str, list[dict[str, str]]] = {"FAILED": [], "PENDING": [], "SUCCEEDED": []}
        for status, of_status in files.items():
            lines = [f"{json.dumps(result)}\n" for result in results if result["Status"] == status]
            if lines:
                of_status.append({"Key": f"{folder}/{status}_0.jsonl"})
                self._s3.put_object(Bucket=bucket, Key=of_status[0]["Key"], Body="".join(lines).encode())
        manifest = {"DestinationBucket": bucket, "ResultFiles": files}
        self._s3.put_object(Bucket=bucket, Key=f"{folder}/manifest.json", Body=json.dumps(manifest).encode())
        return {"Bucket": bucket, "Key": f"{folder}/manifest.json"}


def _execute(definition: str, given: str) -> dict[str, Any]:
    """Run an execution in this thread and return its result as Step Functions writes it."""
    account, name, kind = "123456789012", MAP_RUN, StateMachineType.STANDARD
    machine: Any = SimpleNamespace(arn=f"arn:{name}", name=name, sm_type=kind, definition=definition)
    execution = SyncExecution(
        name, kind, "arn:role", f"arn:{name}:item", account, REGION, machine, datetime.now(UTC), None, {}, given
    )
    execution.start()
    if execution.status == "SUCCEEDED":
        return {"Status": "SUCCEEDED", "Output": json.dumps(execution.output, ensure_ascii=False)}
    return {"Status": "FAILED", "Error": execution.error, "Cause": execution.cause}
