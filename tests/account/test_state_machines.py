"""One picture as a step: the template's own definition, executed."""

from typing import Any
from uuid import UUID, uuid5

import pytest

from generate_image.errors import ERRORS_BY_CODE
from local.account import NAMESPACE
from local.state_machines import GENERATE_IMAGE, SUBSTITUTIONS, definition_of, definition_text
from local.step_functions_gaps import InvocationError
from tests.events import event_for, read_event
from tests.machines import Machines, scripted

RETRIERS = definition_of(definition_text(GENERATE_IMAGE), SUBSTITUTIONS)["States"]["GenerateImage"]["Retry"]


def failure(name: str, message: str) -> Exception:
    return ERRORS_BY_CODE[name](message) if name in ERRORS_BY_CODE else InvocationError(name, message)


def image_id(key: str) -> str:
    return str(uuid5(UUID(NAMESPACE), f"1/{key}"))


def test_output_is_the_answer_for_a_persistent_event(machines: Machines) -> None:
    event = read_event("persistent")

    execution = machines.run(GENERATE_IMAGE, event)

    answer = execution.output
    assert (execution.status, set(answer)) == ("SUCCEEDED", {"nextModule", "data", "_meta_"})
    assert answer["nextModule"] == event["nextModule"]
    assert {name: answer["data"][name] for name in event["data"]} == event["data"]


@pytest.mark.parametrize(
    ("given", "key"),
    [({}, "order-4711"), ({"idempotency_key": None}, "order-4711"), ({"idempotency_key": "pedido"}, "pedido")],
)
def test_every_attempt_requests_the_same_picture(machines: Machines, given: dict[str, Any], key: str) -> None:
    """Without a key in the event, it is the name of the execution."""
    machines.stand_in.script({"fault": "server_error", "times": 3})  # one invocation sends three requests

    execution = machines.run(GENERATE_IMAGE, event_for("A lighthouse", **given), name="order-4711")

    assert execution.output["_meta_"]["image_id"] == image_id(key)
    assert (len(machines.waits), machines.stand_in.ledger()["billed"]) == (1, 1)


def test_answer_too_large_for_step_functions_is_refused(machines: Machines) -> None:
    event = event_for("unused", data={"prompt_image": "A lighthouse", "ballast": "x" * 250_000})

    execution = machines.run(GENERATE_IMAGE, event)

    assert (execution.status, execution.error) == ("FAILED", "InvalidRequestError")
    assert "262144 bytes" in execution.message
    assert machines.stand_in.ledger()["requests"] == 0


@pytest.mark.parametrize("name", ["QuotaExhaustedError", "ValueError"])
def test_other_error_fails_at_once_and_can_be_redriven(machines: Machines, name: str) -> None:
    generate = machines.generate
    machines.generate = scripted(failure(name, "The one message."), answer={})
    failed = machines.run(GENERATE_IMAGE, event_for("A lighthouse"), name="order-4711")
    machines.generate = generate

    redriven = machines.redrive(GENERATE_IMAGE, failed)

    assert (failed.status, failed.error, failed.message) == ("FAILED", name, "The one message.")
    assert machines.waits == []
    assert redriven.output["_meta_"]["image_id"] == image_id("order-4711")


@pytest.mark.parametrize("retrier", RETRIERS, ids=lambda retrier: str(retrier["ErrorEquals"][0]))
def test_error_keeps_its_name_after_the_last_retry(machines: Machines, retrier: dict[str, Any]) -> None:
    name, attempts = retrier["ErrorEquals"][0], retrier["MaxAttempts"]
    machines.generate = scripted(*[failure(name, f"No. {number}") for number in range(attempts + 2)], answer={})

    execution = machines.run(GENERATE_IMAGE, event_for("A lighthouse"))

    assert (execution.status, execution.error, execution.message) == ("FAILED", name, f"No. {attempts}")
    assert len(machines.waits) == attempts
    assert max(machines.waits) <= retrier["MaxDelaySeconds"]
