"""What moto's Step Functions lack of AWS's, filled in for as long as a `StateMachines` is open.

In moto 5.2: a Lambda task cannot call a Python function; its clients look for the server on one fixed port; a retry
waits in real time; the reader of a Distributed Map knows no JSON Lines, its writer writes an empty manifest, a failed
item never counts against what is tolerated, and a worker's recursion ends after about a thousand items. Only what the
definitions of this project use is here. An export is written when a Map Run succeeds; AWS writes one when it fails too.

https://docs.aws.amazon.com/step-functions/latest/dg/input-output-resultwriter.html
"""

import base64
import copy
import json
import logging
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError
from moto.stepfunctions.parser.api import ExecutionFailedEventDetails, HistoryEventType
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import FailureEvent, FailureEventException
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import StatesErrorNameType
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
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
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails
from moto.stepfunctions.parser.asl.eval.program_state import ProgramError
from moto.stepfunctions.parser.asl.utils import boto_client

from local.account import Account
from local.lambda_context import LocalContext

Function = Callable[[Any, LocalContext], Any]
LOG = logging.getLogger("moto.stepfunctions")


class InvocationError(Exception):
    """Raised by a function: Lambda itself fails. name: as Step Functions tells it, such as ``Sandbox.Timedout``."""

    def __init__(self, name: str, message: str = "") -> None:
        self.name = name
        super().__init__(message or name)


@dataclass
class Gaps:
    """The changes to moto. account: where its own clients look. functions: by name. sleep: how a retry waits."""

    account: Account
    functions: Mapping[str, Function]
    sleep: Callable[[float], None]
    _originals: list[tuple[Any, str, Any]] = field(default_factory=list)

    def fill(self) -> None:
        """Change moto."""
        LOG.setLevel(logging.CRITICAL)  # it tells of every failed attempt, with all that it knows of the state
        port = self.account.endpoint.rpartition(":")[2]
        self._replace(boto_client, "moto_server_port", lambda: port)
        self._replace(lambda_eval_utils, "_invoke_lambda_function", self._invoke)
        self._replace(retrier_decl, "time", SimpleNamespace(sleep=self.sleep))
        self._replace(distributed_item_processor, "DistributedItemProcessorWorker", MapRunWorker)
        self._replace(reader.ResourceEvalS3, "_handle_get_object", staticmethod(_read_list))
        self._replace(writer.ResourceEvalS3, "_handle_put_object", staticmethod(_write_results))

    def reopen(self) -> None:
        """Take every change back."""
        LOG.setLevel(logging.NOTSET)
        while self._originals:
            owner, name, original = self._originals.pop()
            setattr(owner, name, original)

    @staticmethod
    def rewrite(definition: Mapping[str, Any]) -> dict[str, Any]:
        """Return a definition in the form that moto reads: what it has no words for is done by the changes above."""

        def rewritten(value: Any) -> Any:  # noqa: ANN401  # a definition's values are of any type
            if isinstance(value, list):
                return [rewritten(item) for item in value]
            if not isinstance(value, dict):
                return value
            kept = {name: rewritten(item) for name, item in value.items() if name != "WriterConfig"}
            if kept.get("InputType") == "JSONL":
                kept["InputType"] = "JSON"
            return kept

        return {name: rewritten(value) for name, value in definition.items()}

    def _replace(self, owner: Any, name: str, replacement: Any) -> None:  # noqa: ANN401  # modules, classes, anything
        self._originals.append((owner, name, vars(owner)[name]))
        setattr(owner, name, replacement)

    def _invoke(self, parameters: Mapping[str, Any], region: str, state_credentials: object) -> dict[str, Any]:
        """Answer as Lambda's Invoke does: an exception of the function becomes a payload."""
        del region, state_credentials
        function = self.functions[parameters["FunctionName"].rpartition(":")[2]]
        client_context = json.loads(base64.b64decode(parameters.get("ClientContext", "e30=")))
        answer_bytes = client_context.get("custom", {}).get("answer_bytes")
        context = LocalContext(answer_bytes=None if answer_bytes is None else int(answer_bytes))
        try:
            payload = function(json.loads(parameters["Payload"]), context)
        except Exception as error:  # noqa: BLE001  # Lambda's runtime reports whatever a handler raises
            failure = {
                "errorMessage": str(error),
                "errorType": error.name if isinstance(error, InvocationError) else type(error).__name__,
                "requestId": context.aws_request_id,
                "stackTrace": traceback.format_tb(error.__traceback__),
            }
            return {"StatusCode": 200, "FunctionError": "Unhandled", "Payload": failure}
        return {"StatusCode": 200, "ExecutedVersion": "$LATEST", "Payload": json.loads(json.dumps(payload))}


class MapRunWorker(DistributedItemProcessorWorker):
    """One of the workers of a Map Run, which keeps what became of each item and stops when too many failed."""

    _input: Any

    def _eval_input(self, env_frame: Environment) -> None:
        super()._eval_input(env_frame)
        self._input = copy.deepcopy(env_frame.states.get_input())

    def _eval_job(self, env: Environment, job: Job) -> None:
        super()._eval_job(env, job)
        record = self._map_run_record
        execution = {
            "ExecutionArn": f"{record.map_state_machine_arn.replace('stateMachine', 'execution')}:{job.job_index}",
            "Input": json.dumps(self._input, ensure_ascii=False),
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
        items = self._job_pool._jobs_number  # noqa: SLF001  # nothing public tells it
        share = record.tolerated_failure_percentage * items / 100
        return bool(record.item_counter.failed.get() > max(record.tolerated_failure_count, share))

    def _eval_pool(self, job: Job | None, worker_frame: Environment) -> None:
        """Work through the pool; moto calls itself for every next job."""
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
    """Return what became of the items of a Map Run so far; it is kept on moto's own record of it."""
    results: list[dict[str, Any]] = vars(record).setdefault("results", [])
    return results


def _failure(env: Environment, kind: StatesErrorNameType, cause: str) -> FailureEventException:
    """Return what ends a Map Run under one of Step Functions' own names."""
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


def _read_list(env: Environment, resource_runtime_part: object, state_credentials: object) -> None:
    """Read a list; JSON Lines become the JSON array that moto reads."""
    del state_credentials
    parameters = env.stack.pop()
    key = parameters["Key"]
    try:
        content = _s3(resource_runtime_part).get_object(**parameters)["Body"].read().decode()
        if key.endswith(".jsonl"):
            content = json.dumps([json.loads(line) for line in content.splitlines() if line.strip()])
        elif key.endswith(".json"):
            json.loads(content)
    except (ClientError, ValueError) as error:
        cause = f"The list {key} could not be read: {error}"
        raise _failure(env, StatesErrorNameType.StatesItemReaderFailed, cause) from error
    env.stack.append(content)


def _write_results(env: Environment, resource_runtime_part: object, state_credentials: object) -> None:
    """Write a Map Run's results in JSON Lines, a file for each status, and the manifest that names them."""
    del state_credentials
    parameters = env.stack.pop()
    env.stack.pop()  # the outputs, which the files hold
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


def _s3(resource_runtime_part: Any) -> Any:  # noqa: ANN401  # moto's own, which have no types
    return boto_client.boto_client_for(region=resource_runtime_part.region, service="s3")
