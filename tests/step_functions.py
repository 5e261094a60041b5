"""Step Functions in memory: names, inputs and states of executions. A test ends an execution by hand."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

MACHINE = "arn:aws:states:eu-west-1:123456789012:stateMachine:generate-image"
EXECUTIONS = MACHINE.replace(":stateMachine:", ":execution:") + ":"


@dataclass
class MemoryExecution:
    input: str
    started_at: float
    status: str = "RUNNING"
    error: str = ""
    cause: str = ""
    is_visible: bool = True


@dataclass
class MemoryStepFunctions:
    """One state machine.

    described: the time and the name of each DescribeExecution. failing: the code of the error of every call.
    failing_describe: of DescribeExecution alone. hides_starts: DescribeExecution does not show new executions.
    """

    clock: Callable[[], float]
    executions: dict[str, MemoryExecution] = field(default_factory=dict)
    described: list[tuple[float, str]] = field(default_factory=list)
    failing: str = ""
    failing_describe: str = ""
    hides_starts: bool = False
    on_start: Callable[[str], None] = lambda _: None

    def start_execution(self, *, stateMachineArn: str, name: str, input: str) -> dict[str, Any]:  # noqa: N803, A002
        """https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html"""
        assert stateMachineArn == MACHINE
        self._fail(self.failing, "StartExecution")
        present = self.executions.get(name)
        if present is None:
            present = self.executions[name] = MemoryExecution(input, self.clock(), is_visible=not self.hides_starts)
            self.on_start(name)
        elif present.status != "RUNNING" or present.input != input:
            self._fail("ExecutionAlreadyExists", "StartExecution")
        return {"executionArn": EXECUTIONS + name, "startDate": datetime.fromtimestamp(present.started_at, UTC)}

    def describe_execution(self, *, executionArn: str) -> dict[str, Any]:  # noqa: N803
        name = executionArn.removeprefix(EXECUTIONS)
        self.described.append((self.clock(), name))
        self._fail(self.failing or self.failing_describe, "DescribeExecution")
        found = self.executions.get(name)
        if found is None or not found.is_visible:
            self._fail("ExecutionDoesNotExist", "DescribeExecution")
            raise AssertionError
        described = {
            "status": found.status,
            "input": found.input,
            "startDate": datetime.fromtimestamp(found.started_at, UTC),
        }
        details = {"error": found.error, "cause": found.cause}
        return described | {key: value for key, value in details.items() if value}

    def end(self, name: str, status: str = "SUCCEEDED", error: str = "", cause: str = "") -> None:
        execution = self.executions[name]
        execution.status, execution.error, execution.cause = status, error, cause

    @staticmethod
    def _fail(code: str, operation: str) -> None:
        if code:
            raise ClientError({"Error": {"Code": code, "Message": "from the fake"}}, operation)
