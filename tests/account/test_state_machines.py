"""One picture as a step: the template's own definition, executed."""

from typing import Any
from uuid import UUID, uuid5

import pytest

from generate_image.errors import ERRORS_BY_CODE
from local.account import NAMESPACE
from local.lambda_context import LocalContext
from local.state_machines import GENERATE_IMAGE, SUBSTITUTIONS, definition_of, definition_text
from local.step_functions_gaps import InvocationError
from tests.events import event_for, read_event
from tests.machines import Machines, scripted

ANSWER = {"data": {"urlPath": "https://pictures.example/1.png"}, "_meta_": {"replayed": False}}
RETRIERS = definition_of(definition_text(GENERATE_IMAGE), SUBSTITUTIONS)["States"]["GenerateImage"]["Retry"]
LEASE_SECONDS = 305


def failure(name: str, message: str = "A problem and its solution.") -> Exception:
    return ERRORS_BY_CODE[name](message) if name in ERRORS_BY_CODE else InvocationError(name, message)


def image_id(key: str) -> str:
    return str(uuid5(UUID(NAMESPACE), f"1/{key}"))


def test_output_is_the_answer_for_a_persistent_event(machines: Machines) -> None:
    event = read_event("persistent")

    execution = machines.run(GENERATE_IMAGE, event)

    answer = execution.output
    assert execution.status == "SUCCEEDED"
    assert set(answer) == {"nextModule", "data", "_meta_"}
    assert answer["nextModule"] == event["nextModule"]
    assert {name: answer["data"][name] for name in event["data"]} == event["data"]


def test_null_in_place_of_a_key_counts_as_absent(machines: Machines) -> None:
    execution = machines.run(GENERATE_IMAGE, event_for("A lighthouse", idempotency_key=None), name="order-4711")

    assert execution.output["_meta_"]["image_id"] == image_id("order-4711")


def test_key_of_the_event_is_kept(machines: Machines) -> None:
    event = event_for("A lighthouse", idempotency_key="pedido-4711")

    first, second = machines.run(GENERATE_IMAGE, event), machines.run(GENERATE_IMAGE, event)

    assert first.output["_meta_"]["image_id"] == image_id("pedido-4711")
    assert (first.output["_meta_"]["replayed"], second.output["_meta_"]["replayed"]) == (False, True)
    assert machines.stand_in.ledger()["billed"] == 1


def test_every_attempt_requests_the_same_picture(machines: Machines) -> None:
    machines.stand_in.script({"fault": "server_error", "times": 3})  # one invocation sends three requests

    execution = machines.run(GENERATE_IMAGE, event_for("A lighthouse"), name="order-4711")

    assert execution.output["_meta_"]["image_id"] == image_id("order-4711")
    assert len(machines.waits) == 1
    assert machines.stand_in.ledger()["billed"] == 1


def test_answer_too_large_for_step_functions_is_refused(machines: Machines) -> None:
    event = event_for("unused", data={"prompt_image": "A lighthouse", "ballast": "x" * 250_000})

    execution = machines.run(GENERATE_IMAGE, event)

    assert (execution.status, execution.error) == ("FAILED", "InvalidRequestError")
    assert "262144 bytes" in execution.message
    assert machines.stand_in.ledger()["requests"] == 0


def test_redrive_continues_under_the_execution_name(machines: Machines) -> None:
    generate = machines.generate
    machines.generate = scripted(failure("QuotaExhaustedError"), answer=ANSWER)
    failed = machines.run(GENERATE_IMAGE, event_for("A lighthouse"), name="order-4711")
    machines.generate = generate

    redriven = machines.redrive(GENERATE_IMAGE, failed)

    assert (failed.error, redriven.status) == ("QuotaExhaustedError", "SUCCEEDED")
    assert redriven.output["_meta_"]["image_id"] == image_id("order-4711")


@pytest.mark.parametrize("name", ["Lambda.Unknown", "StorageError"])
def test_transient_error_is_retried(machines: Machines, name: str) -> None:
    machines.generate = scripted(failure(name), failure(name), answer=ANSWER)

    execution = machines.run(GENERATE_IMAGE, event_for("A lighthouse"))

    assert (execution.status, execution.output) == ("SUCCEEDED", ANSWER)
    assert len(machines.waits) == 2


@pytest.mark.parametrize("name", ["ContentRejectedError", "ValueError"])
def test_other_error_fails_at_once_under_its_own_name(machines: Machines, name: str) -> None:
    machines.generate = scripted(failure(name, "The one message."), answer=ANSWER)

    execution = machines.run(GENERATE_IMAGE, event_for("A lighthouse"))

    assert (execution.status, execution.error, execution.message) == ("FAILED", name, "The one message.")
    assert machines.waits == []


@pytest.mark.parametrize("retrier", RETRIERS, ids=lambda retrier: str(retrier["ErrorEquals"][0]))
def test_error_keeps_its_name_after_the_last_retry(machines: Machines, retrier: dict[str, Any]) -> None:
    name, attempts = retrier["ErrorEquals"][0], retrier["MaxAttempts"]
    machines.generate = scripted(*[failure(name, f"No. {number}") for number in range(attempts + 2)], answer=ANSWER)

    execution = machines.run(GENERATE_IMAGE, event_for("A lighthouse"))

    assert (execution.status, execution.error, execution.message) == ("FAILED", name, f"No. {attempts}")
    assert len(machines.waits) == attempts
    assert max(machines.waits) <= retrier["MaxDelaySeconds"]


def test_retries_outlast_the_lease_of_a_killed_invocation(machines: Machines) -> None:
    is_killed = False

    def function(event: object, context: LocalContext) -> dict[str, Any]:
        nonlocal is_killed
        del event, context
        if not is_killed:
            is_killed = True
            raise InvocationError("Sandbox.Timedout", "Task timed out after 300.00 seconds")
        if sum(machines.waits) < LEASE_SECONDS:
            raise failure("RequestInProgressError")
        return ANSWER

    machines.generate = function

    assert machines.run(GENERATE_IMAGE, event_for("A lighthouse")).output == ANSWER
