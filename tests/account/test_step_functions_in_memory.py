"""Step Functions in memory and in moto give the same responses."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.account import Account
from local.state_machines import StateMachines
from tests.step_functions import MACHINE, MemoryStepFunctions

ENDS_AT_ONCE = json.dumps({"StartAt": "End", "States": {"End": {"Type": "Fail", "Error": "StorageError"}}})
WAITS = json.dumps({"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 600, "End": True}}})
FIELDS = ("status", "input", "error")


def response_of(call: Callable[[], dict[str, Any]]) -> object:
    try:
        return {name: value for name, value in call().items() if name in FIELDS}
    except ClientError as error:
        return error.response["Error"]["Code"]


@pytest.mark.parametrize("definition", [WAITS, ENDS_AT_ONCE], ids=["running", "ended"])
def test_memory_responds_as_moto(account: Account, definition: str) -> None:
    memory = MemoryStepFunctions(lambda: 1_800_000_000.0)
    if definition == ENDS_AT_ONCE:
        memory.on_start = lambda name: memory.end(name, "FAILED", "StorageError")
    with StateMachines(account, {}) as machines:
        arn = machines.create("a-machine", definition, {})
        clients: list[tuple[Any, str]] = [(memory, MACHINE), (machines.client, arn)]
        in_memory, in_moto = ([*map(response_of, calls(*client))] for client in clients)
        running = machines.client.list_executions(stateMachineArn=arn, statusFilter="RUNNING")["executions"]
        for execution in running:
            machines.client.stop_execution(executionArn=execution["executionArn"])

    assert in_memory == in_moto


def calls(client: Any, machine: str) -> list[Callable[[], dict[str, Any]]]:  # noqa: ANN401  # either client
    execution = f"{machine.replace(':stateMachine:', ':execution:')}:a-name"
    event, other = '{"client_id": "1"}', '{"client_id": "1", "nextModule": "x"}'
    return [
        lambda: client.describe_execution(executionArn=execution),
        lambda: client.start_execution(stateMachineArn=machine, name="a-name", input=event),
        lambda: client.describe_execution(executionArn=execution),
        lambda: client.start_execution(stateMachineArn=machine, name="a-name", input=event),
        lambda: client.start_execution(stateMachineArn=machine, name="a-name", input=other),
    ]
