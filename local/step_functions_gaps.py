"""The features of AWS Step Functions that moto lacks, added while a `StateMachines` is open.

In moto 5.2, a Lambda task cannot call a Python function; its clients expect the server on one fixed port; a retry and a
wait take real time; a Distributed Map reads no JSON Lines, makes no batches of items and writes an empty manifest; a
failed item never counts against the tolerated failures; and a worker's recursion ends after about a thousand items.
Only features that this project's definitions use are here. An export is written if a Map Run succeeds; AWS writes one
if it fails, too.

https://docs.aws.amazon.com/step-functions/latest/dg/input-output-resultwriter.html
"""

import base64
import copy
import json
import logging
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError
from moto.stepfunctions.parser.api import ExecutionFailedEventDetails, HistoryEventType
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import FailureEvent, FailureEventException
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import StatesErrorNameType
from moto.stepfunctions.parser.asl.component.common.retry import jitter_strategy_decl, retrier_decl
from moto.stepfunctions.parser.asl.component.state.exec.state_map.item_reader.eval import resource_eval_s3 as reader
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.itemprocessor import (
    distributed_item_processor,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.itemprocessor.distributed_item_processor_worker import (  # noqa: E501  # moto's own name
    DistributedItemProcessorWorker,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.itemprocessor.map_run_record import (
    MapRunRecord,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.job import Job
from moto.stepfunctions.parser.asl.component.state.exec.state_map.result_writer.resource_eval import (
    resource_eval_s3 as writer,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.asl.component.state.wait.wait_function import wait_function
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails
from moto.stepfunctions.parser.asl.eval.program_state import ProgramError
from moto.stepfunctions.parser.asl.utils import boto_client

from local.account import Account
from local.lambda_context import Function, LocalContext

LOG = logging.getLogger("moto.stepfunctions")


class InvocationError(Exception):
    """A failure of Lambda itself, raised by a function. name: Step Functions' own, such as ``Sandbox.Timedout``."""

    def __init__(self, name: str, message: str = "") -> None:
        self.name = name
        super().__init__(message or name)


@dataclass
class Gaps:
    """The changes to moto.

    account: the target of moto's own clients. functions: by name. sleep: waits before a retry. random: its jitter.
    wait: waits in a Wait state.
    """

    account: Account
    functions: Mapping[str, Function]
    sleep: Callable[[float], None]
    random: Random
    wait: Callable[[float], None]
    _originals: list[tuple[Any, str, Any]] = field(default_factory=list)

    def fill(self) -> None:
        """Change moto."""
        LOG.setLevel(logging.CRITICAL)  # moto logs each failed attempt with the whole state
        port = self.account.endpoint.rpartition(":")[2]
        self._replace(boto_client, "moto_server_port", lambda: port)
        self._replace(lambda_eval_utils, "_invoke_lambda_function", self._invoke)
        self._replace(retrier_decl, "time", SimpleNamespace(sleep=self.sleep))
        self._replace(
            wait_function.WaitFunction, "_wait_interval", lambda _, env, wait_seconds: self._wait(env, wait_seconds)
        )
        self._replace(jitter_strategy_decl, "random", self.random)
        self._replace(distributed_item_processor, "DistributedItemProcessorWorker", MapRunWorker)
        self._replace(reader.ResourceEvalS3, "_handle_get_object", staticmethod(_read_items))
        self._replace(writer.ResourceEvalS3, "_handle_put_object", staticmethod(_write_results))

    def reopen(self) -> None:
        """Undo every change."""
        LOG.setLevel(logging.NOTSET)
        while self._originals:
            owner, name, original = self._originals.pop()
            setattr(owner, name, original)

    @staticmethod
    def rewrite(definition: Mapping[str, Any]) -> dict[str, Any]:
        """Return a definition without the fields that moto cannot parse. The changes above do their work."""
        rewritten = copy.deepcopy(dict(definition))
        for state in rewritten["States"].values():
            if state["Type"] == "Map":
                state["ItemReader"]["ReaderConfig"]["InputType"] = "JSON"
                del state["ResultWriter"]["WriterConfig"]
                if "ItemBatcher" in state:
                    state["ItemReader"]["Parameters"]["ItemBatcher"] = state.pop("ItemBatcher")
        return rewritten

    def _replace(self, owner: Any, name: str, replacement: Any) -> None:  # noqa: ANN401  # modules, classes, anything
        self._originals.append((owner, name, vars(owner)[name]))
        setattr(owner, name, replacement)

    def _wait(self, env: Environment, seconds: int) -> None:
        del env
        self.wait(seconds)

    def _invoke(self, parameters: Mapping[str, Any], region: str, state_credentials: object) -> dict[str, Any]:
        """Return the response of Lambda's Invoke. An exception of the function becomes a payload."""
        del region, state_credentials
        function = self.functions[parameters["FunctionName"].rpartition(":")[2]]
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


class MapRunWorker(DistributedItemProcessorWorker):
    """A worker of a Map Run that keeps the result of each item and stops after too many failures."""

    def _eval_job(self, env: Environment, job: Job) -> None:
        super()._eval_job(env, job)
        record = self._map_run_record
        execution = {
            "ExecutionArn": f"{record.map_state_machine_arn.replace('stateMachine', 'execution')}:{job.job_index}",
            "Input": json.dumps(job.job_input, ensure_ascii=False),
            "Name": str(job.job_index),
            "StateMachineArn": record.map_state_machine_arn,
        }
        state = env.program_state()
        if isinstance(state, ProgramError):
            error = state.error or {}
            failure = {"Error": error.get("error", ""), "Cause": error.get("cause", "")}
            _results_of(record).append({**execution, "Status": "FAILED", **failure})
            if self._too_many_failed():
                cause = "The specified tolerated failure threshold was exceeded."
                job.job_output = _failure(env, StatesErrorNameType.StatesExceedToleratedFailureThreshold, cause)
        else:
            output = json.dumps(job.job_output, ensure_ascii=False)
            _results_of(record).append({**execution, "Status": "SUCCEEDED", "Output": output})

    def _too_many_failed(self) -> bool:
        record = self._map_run_record
        items = self._job_pool._jobs_number  # noqa: SLF001  # there is no public name
        share = record.tolerated_failure_percentage * items / 100
        return bool(record.item_counter.failed.get() > max(record.tolerated_failure_count, share))

    def _eval_pool(self, job: Job | None, worker_frame: Environment) -> None:
        """Work through the pool in a loop. moto's own method calls itself for each job."""
        while job is not None:
            frame = worker_frame.open_inner_frame()
            self._eval_job(frame, job)
            worker_frame.delete_frame(frame)
            ends = isinstance(job.job_output, Exception) or self._stop_signal_received
            following = None if ends else self._job_pool.next_job()
            if following is None:
                self._env.delete_frame(worker_frame)  # before the last job is closed, as moto does
            self._job_pool.close_job(job)
            job = following


def _results_of(record: MapRunRecord) -> list[dict[str, Any]]:
    """Return the results of a Map Run so far. They are an attribute of moto's own record of it."""
    results: list[dict[str, Any]] = vars(record).setdefault("results", [])
    return results


def _failure(env: Environment, kind: StatesErrorNameType, cause: str) -> FailureEventException:
    """Return an exception that ends a Map Run with one of Step Functions' own errors."""
    name = StatesErrorName(typ=kind)
    details = ExecutionFailedEventDetails(error=name.error_name, cause=cause)
    return FailureEventException(
        FailureEvent(
            env=env,
            error_name=name,
            event_type=HistoryEventType.MapRunFailed,
            event_details=EventDetails(executionFailedEventDetails=details),  # type: ignore[typeddict-item]  # one is set
        )
    )


def _read_items(env: Environment, resource_runtime_part: object, state_credentials: object) -> None:
    """Read JSON Lines as the JSON array that moto expects; in batches, if the definition has an ItemBatcher."""
    del state_credentials
    parameters = env.stack.pop()
    batcher = parameters.pop("ItemBatcher", None)
    try:
        lines = list(_s3(resource_runtime_part).get_object(**parameters)["Body"].iter_lines())
        content = b"[" + b",".join(lines if batcher is None else _batches(lines, batcher)) + b"]"
        json.loads(content)
    except (ClientError, ValueError) as error:
        cause = f"The items {parameters['Key']} cannot be read: {error}"
        raise _failure(env, StatesErrorNameType.StatesItemReaderFailed, cause) from error
    env.stack.append(content.decode())


def _batches(lines: list[bytes], batcher: Mapping[str, Any]) -> Iterator[bytes]:
    """Yield the input of each batch.

    https://docs.aws.amazon.com/step-functions/latest/dg/input-output-itembatcher.html
    """
    head = b'{"BatchInput":' + json.dumps(batcher["BatchInput"]).encode() + b',"Items":['
    batch: list[bytes] = []
    for line in lines:
        size = len(head) + sum(map(len, batch)) + len(batch) + len(line)
        if batch and (len(batch) == batcher["MaxItemsPerBatch"] or size > batcher["MaxInputBytesPerBatch"]):
            yield head + b",".join(batch) + b"]}"
            batch = []
        batch.append(line)
    yield head + b",".join(batch) + b"]}"


def _write_results(env: Environment, resource_runtime_part: object, state_credentials: object) -> None:
    """Write a Map Run's results as JSON Lines, one file for each status, and their manifest."""
    del state_credentials
    parameters = env.stack.pop()
    env.stack.pop()  # the outputs, which are in the files
    s3 = _s3(resource_runtime_part)
    record = env.map_run_record_pool_manager.get_all()[-1]
    folder = f"{parameters['Prefix'].rstrip('/')}/{record.map_run_arn.rpartition(':')[2]}"
    files: dict[str, list[dict[str, Any]]] = {"FAILED": [], "PENDING": [], "SUCCEEDED": []}
    for status, written in files.items():
        lines = [json.dumps(result) for result in _results_of(record) if result["Status"] == status]
        if lines:
            body = "".join(f"{line}\n" for line in lines).encode()
            key = f"{folder}/{status}_0.jsonl"
            s3.put_object(Bucket=parameters["Bucket"], Key=key, Body=body)
            written.append({"Key": key, "Size": len(body)})
    manifest = {"DestinationBucket": parameters["Bucket"], "MapRunArn": record.map_run_arn, "ResultFiles": files}
    key = f"{folder}/manifest.json"
    s3.put_object(Bucket=parameters["Bucket"], Key=key, Body=json.dumps(manifest).encode())
    details = {"Bucket": parameters["Bucket"], "Key": key}
    env.stack.append({"MapRunArn": record.map_run_arn, "ResultWriterDetails": details})


def _s3(resource_runtime_part: Any) -> Any:  # noqa: ANN401  # moto's own type has no annotations
    return boto_client.boto_client_for(region=resource_runtime_part.region, service="s3")
