"""One picture as a step: the template's own definition, executed."""

from typing import Any
from uuid import UUID, uuid5

import pytest

from generate_image.errors import BY_CODE
from local.account import NAMESPACE
from local.lambda_context import LocalContext
from local.step_functions_gaps import InvocationError
from tests.module import event_for, fetch, read_event
from tests.statemachines.flow import SINGLE, Flow, read_definition, scripted

ANSWER = {"data": {"urlPath": "https://pictures.example/1.png"}, "_meta_": {"replayed": False}}
RETRIERS = read_definition(SINGLE)["States"]["GenerateImage"]["Retry"]
RETRIED = [name for retrier in RETRIERS for name in retrier["ErrorEquals"]]
FINAL = [code for code, error in BY_CODE.items() if not error.retryable]
HELD_SECONDS = 305
"""A function's time-out, and how far apart two clocks may be."""


def failure(name: str, message: str = "What is wrong, and what to do.") -> Exception:
    return BY_CODE[name](message) if name in BY_CODE else InvocationError(name, message)


def image_id(client_id: object, key: str) -> str:
    return str(uuid5(UUID(NAMESPACE), f"{client_id}/{key}"))


def test_a_persistent_event_goes_in_and_the_module_s_answer_comes_out(flow: Flow) -> None:
    event = read_event("persistent")

    execution = flow.run(SINGLE, event)

    answer = execution.output
    assert execution.status == "SUCCEEDED"
    assert set(answer) == {"nextModule", "data", "_meta_"}
    assert answer["nextModule"] == "siguiente-nodo"
    assert {name: answer["data"][name] for name in event["data"]} == event["data"]
    assert fetch(answer["data"]["urlPath"]).startswith(b"\x89PNG")
    assert answer["_meta_"]["prompt"] == "Un gato astronauta en la luna"


def test_an_event_needs_neither_next_module_nor_data(flow: Flow) -> None:
    execution = flow.run(SINGLE, read_event("minimal"))

    assert set(execution.output) == {"data", "_meta_"}
    assert set(execution.output["data"]) == {"imageUrl", "urlPath", "localPath"}


@pytest.mark.parametrize("absent", [{}, {"idempotency_key": None}])
def test_the_execution_s_name_names_the_request(flow: Flow, absent: dict[str, Any]) -> None:
    execution = flow.run(SINGLE, event_for("A lighthouse", **absent), name="order-4711")

    assert execution.output["_meta_"]["image_id"] == image_id(1, "order-4711")


def test_a_key_of_the_event_s_own_is_kept(flow: Flow) -> None:
    event = read_event("with-key")

    first, again = flow.run(SINGLE, event), flow.run(SINGLE, event)

    assert first.output["_meta_"]["image_id"] == image_id(1, "pedido-4711")
    assert (first.output["_meta_"]["replayed"], again.output["_meta_"]["replayed"]) == (False, True)
    assert flow.module.stand_in.ledger()["billed"] == 1


def test_every_attempt_asks_for_the_same_picture(flow: Flow) -> None:
    flow.module.stand_in.script({"fault": "server_error", "times": 3})  # one attempt of Step Functions asks three times

    execution = flow.run(SINGLE, event_for("A lighthouse"))

    assert execution.status == "SUCCEEDED"
    assert len(flow.waits) == 1
    assert flow.module.stand_in.ledger()["billed"] == 1
    assert len(flow.module.records()) == 1


def test_an_answer_that_step_functions_cannot_take_is_refused_before_anything_is_bought(flow: Flow) -> None:
    event = event_for("unused", data={"prompt_image": "A lighthouse", "ballast": "x" * 250_000})

    execution = flow.run(SINGLE, event)

    assert (execution.status, execution.error) == ("FAILED", "InvalidRequestError")
    assert "262144 bytes" in execution.message
    assert flow.module.stand_in.ledger()["requests"] == 0


@pytest.mark.parametrize("name", RETRIED)
def test_what_can_be_waited_out_is_waited_out(flow: Flow, name: str) -> None:
    flow.buy = scripted(failure(name), failure(name), answer=ANSWER)

    execution = flow.run(SINGLE, event_for("A lighthouse"))

    assert (execution.status, execution.output) == ("SUCCEEDED", ANSWER)
    assert len(flow.waits) == 2


@pytest.mark.parametrize("name", [*FINAL, "ValueError"])
def test_what_cannot_is_told_at_once_under_its_own_name(flow: Flow, name: str) -> None:
    flow.buy = scripted(failure(name, "The one message."), answer=ANSWER)

    execution = flow.run(SINGLE, event_for("A lighthouse"))

    assert (execution.status, execution.error, execution.message) == ("FAILED", name, "The one message.")
    assert flow.waits == []


@pytest.mark.parametrize("retrier", RETRIERS, ids=lambda retrier: str(retrier["ErrorEquals"][0]))
def test_after_the_last_retry_the_error_is_told_under_its_own_name(flow: Flow, retrier: dict[str, Any]) -> None:
    name, attempts = retrier["ErrorEquals"][0], retrier["MaxAttempts"]
    flow.buy = scripted(*[failure(name, f"No. {number}") for number in range(attempts + 2)], answer=ANSWER)

    execution = flow.run(SINGLE, event_for("A lighthouse"))

    assert (execution.status, execution.error, execution.message) == ("FAILED", name, f"No. {attempts}")
    assert len(flow.waits) == attempts
    assert max(flow.waits) <= retrier["MaxDelaySeconds"]


@pytest.mark.parametrize("run", range(5))
def test_a_killed_call_is_waited_out_until_its_record_tells_what_became_of_it(flow: Flow, run: int) -> None:
    killed = False

    def function(event: object, context: LocalContext) -> dict[str, Any]:
        nonlocal killed
        del event, context
        if not killed:
            killed = True
            raise InvocationError("Sandbox.Timedout", f"Task timed out after 300.0{run} seconds")
        if sum(flow.waits) < HELD_SECONDS:
            raise failure("RequestInProgressError")
        return ANSWER

    flow.buy = function

    assert flow.run(SINGLE, event_for("A lighthouse")).output == ANSWER
