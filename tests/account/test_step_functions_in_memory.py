"""Step Functions in memory and in moto give the same responses."""

import json
from collections.abc import Iterator
from threading import Event
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.account import Account
from local.state_machines import StateMachines
from tests.step_functions import MACHINE, MemoryStepFunctions

ENDED = {"StartAt": "End", "States": {"End": {"Type": "Fail", "Error": "StorageError"}}}
RUNNING = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 600, "End": True}}}


def responses(client: Any, machine: str, *, ends: bool) -> Iterator[object]:  # noqa: ANN401  # either client
    """ends: an execution ends at once, and moto's soon after its start."""
    execution = {"executionArn": f"{machine.replace(':stateMachine:', ':execution:')}:a-name"}
    start = {"stateMachineArn": machine, "name": "a-name", "input": '{"client_id": "1"}'}
    for call, arguments in (
        (client.describe_execution, execution),
        (client.start_execution, start),
        (client.describe_execution, execution),
        (client.start_execution, start),
        (client.start_execution, start | {"input": '{"client_id": "2"}'}),
    ):
        try:
            response = call(**arguments)
            while ends and call == client.describe_execution and response["status"] == "RUNNING":
                response = call(**arguments)
            yield {name: response[name] for name in ("status", "input", "error") if name in response}
        except ClientError as error:
            yield error.response["Error"]["Code"]


@pytest.mark.parametrize("ends", [False, True])
def test_memory_responds_as_moto(account: Account, *, ends: bool) -> None:
    memory = MemoryStepFunctions(lambda: 1_800_000_000.0)
    if ends:
        memory.on_start = lambda name: memory.end(name, "FAILED", "StorageError")
    end = Event()

    def wait(_: float) -> None:
        end.wait()

    with StateMachines(account, {}, wait=wait) as machines:
        machine = machines.create("a-machine", json.dumps(ENDED if ends else RUNNING), {})
        in_moto = list(responses(machines.client, machine, ends=ends))
        end.set()

    assert list(responses(memory, MACHINE, ends=ends)) == in_moto
