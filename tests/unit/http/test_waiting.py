"""POST: when an execution starts, when it is described, and when the wait for the picture ends."""

import json
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import pytest

from generate_image.errors import QuotaExhaustedError
from generate_image.record import Status
from tests.proof.faults import Kind
from tests.unit.http.conftest import BOUGHT, IMAGES, NO_SECRET, REJECTED, UNKNOWN, World


def test_new_key_starts_an_execution_with_the_event(world: World) -> None:
    response = world.start(nextModule="next")
    assert (response.status, response.body) == (202, {"image_id": world.image_id(), "status": "queued"})
    assert world.step_functions.described == []
    assert list(world.step_functions.executions) == [world.image_id()]
    assert json.loads(world.step_functions.executions[world.image_id()].input) == {
        "client_id": "1",
        "idempotency_key": "order-1",
        "nextModule": "next",
        "config": {"credentials_id": "openai", "prompt": "Un faro al atardecer"},
    }
    ids = {world.start(key=key).body["image_id"] for key in ("order-2", None, None)}
    assert len(ids) == 3
    assert ids | {world.image_id()} == set(world.step_functions.executions)


@pytest.mark.parametrize(
    ("planned", "seconds", "status", "code"),
    [
        ({7: World.save_stored}, 7.5, 200, None),
        ({0: lambda world: world.fail_every_start(NO_SECRET)}, 1.7, 400, "CredentialsError"),
        ({3: lambda world: world.fail(world.image_id(), REJECTED)}, 6.8, 422, "ContentRejectedError"),
        ({3: lambda world: world.save(Status.FAILED, error=REJECTED)}, 3.5, 422, "ContentRejectedError"),
        ({0.2: lambda world: world.s3.reads.extend([Kind.ERROR] * 9), 7: World.save_stored}, 7.5, 200, None),
    ],
)
def test_wait_ends_as_soon_as_the_outcome_is_known(
    world: World, planned: dict[float, Callable[[World], Any]], seconds: float, status: int, code: str | None
) -> None:
    before = world.clock.now
    for after, action in planned.items():
        world.clock.after(after, partial(action, world))
    world.clock.sleep(0)
    response = world.post()
    assert response.code == (status, code)
    assert seconds - 1 < world.clock.now - before <= seconds
    if code:
        assert response.body["instance"] == f"{IMAGES}/{world.image_id()}"
        assert f'"image_id":"{world.image_id()}"' in world.log.getvalue()
    else:
        assert response.body["_meta_"]["replayed"] is False


@pytest.mark.parametrize(
    ("prefer", "timeout", "waited"),
    [("", 30, 25), ("", 10, 8), ("respond-async, wait=4", 30, 4), ("respond-async", 30, 0)],
)
def test_wait_lasts_as_long_as_preferred(world: World, prefer: str, timeout: float, waited: float) -> None:
    """It leaves two seconds of the function's timeout for the response."""
    before, world.timeout = world.clock.now, timeout
    response = world.post(prefer=prefer)
    assert world.clock.now - before == pytest.approx(waited, abs=0.1)
    assert response.headers.get("Preference-Applied", "") == prefer


@pytest.mark.parametrize(
    ("record", "progress", "described"),
    [
        (None, "queued", True),
        ({"status": Status.RELEASED}, "queued", True),
        ({"status": Status.STARTED, "lease_left": 300}, "started", False),
    ],
)
def test_waiting_describes_at_most_every_five_seconds(
    world: World, record: dict[str, Any] | None, progress: str, *, described: bool
) -> None:
    if record:
        world.clock.after(0.5, lambda: world.save(**record))
    response = world.post()
    times = [time for time, _ in world.step_functions.described]
    assert (response.status, response.body["status"]) == (202, progress)
    assert len(times) in ((4, 5) if described else (0,))
    assert all(later - earlier >= 5 for earlier, later in pairwise(times))


@pytest.mark.parametrize(
    ("call", "failure", "code"),
    [
        ("failing", "ThrottlingException", (503, "StepFunctionsError")),
        ("failing_describe", "AccessDeniedException", (500, "ConfigurationError")),
        ("failing_describe", "ThrottlingException", (202, None)),
    ],
)
def test_failure_of_step_functions_is_reported(world: World, call: str, failure: str, code: object) -> None:
    """A throttled look at an execution ends no wait."""
    setattr(world.step_functions, call, failure)
    assert world.post().code == code


def test_retry_ignores_the_earlier_attempt_in_its_wait(world: World) -> None:
    world.fail_every_start(NO_SECRET)
    world.post()
    world.step_functions.on_start = lambda _: None
    world.step_functions.hides_starts = True
    world.clock.after(20, world.save_stored)
    response = world.post()
    assert response.status == 200
    assert {name for _, name in world.step_functions.described[3:]} == {f"{world.image_id()}-2"}


def test_attempts_of_a_failing_key_are_spaced(world: World) -> None:
    """The first two start at once; then the pauses grow from 2 to 60 seconds."""
    world.fail_every_start(QuotaExhaustedError("No credit is left."))
    world.start()
    pauses = []
    for _ in range(8):
        world.start()
        refused = world.start()
        pauses.append(refused.headers["Retry-After"])
        world.clock.sleep(float(pauses[-1]))
    assert refused.code == (429, "RateLimitedError")
    assert "QuotaExhaustedError" in refused.body["detail"]
    assert pauses == ["2", "4", "8", "16", "32", "60", "60", "60"]
    assert len(world.step_functions.executions) == 9


@pytest.mark.parametrize(
    ("is_new_environment", "body"), [(False, {"nextModule": "mine"}), (True, {"nextModule": "mine"}), (True, {})]
)
def test_running_execution_is_joined(world: World, body: dict[str, Any], *, is_new_environment: bool) -> None:
    """For the same body, Step Functions returns the running execution as if it was started now."""
    world.start()
    if is_new_environment:
        world.restart()
    world.clock.sleep(30)
    world.clock.after(12, world.save_stored)
    joined = world.post(**body)
    assert (joined.status, joined.body["_meta_"]["replayed"]) == (200, True)
    assert joined.body.get("nextModule") == body.get("nextModule")
    assert {name for _, name in world.step_functions.described} == {world.image_id()}
    assert len(world.step_functions.executions) == 1


def start_hidden(world: World) -> None:
    """Start an execution that Step Functions does not show, with another input. It stores the picture after 5 s."""
    world.step_functions.hides_starts = True
    world.execute(1)
    world.clock.after(5, world.save_stored)


@pytest.mark.parametrize(("prepare", "executions"), [(World.save_stored, 0), (start_hidden, 1)])
def test_purchase_of_another_request_is_replayed(
    world: World, prepare: Callable[[World], object], executions: int
) -> None:
    prepare(world)
    response = world.post()
    assert (response.status, response.body["_meta_"]["replayed"]) == (200, True)
    assert response.headers["Content-Location"] == f"{IMAGES}/{world.image_id()}"
    assert len(world.step_functions.executions) == executions


@pytest.mark.parametrize(
    ("record", "when_outcome_unknown", "starts", "status"),
    [
        ({"status": Status.STARTED, "lease_left": 300}, "fail", 0, 200),
        ({"status": Status.STARTED}, "fail", 1, 200),
        ({"status": Status.GENERATED, "bought": BOUGHT}, "fail", 1, 200),
        ({"status": Status.FAILED, "error": REJECTED}, "buy-again", 0, 422),
        ({"status": Status.FAILED, "error": UNKNOWN}, "fail", 0, 504),
        ({"status": Status.FAILED, "error": UNKNOWN}, "buy-again", 1, 200),
        ({"status": Status.RELEASED, "prompt": "Un gato"}, "fail", 1, 200),
    ],
)
@pytest.mark.parametrize("hides_starts", [False, True])
def test_record_decides_whether_an_execution_starts(
    world: World, record: dict[str, Any], when_outcome_unknown: str, starts: int, status: int, *, hides_starts: bool
) -> None:
    world.restart(WHEN_OUTCOME_UNKNOWN=when_outcome_unknown)
    world.step_functions.hides_starts = hides_starts
    world.save(**record)
    world.clock.after(8, world.save_stored)
    assert world.post().status == status
    assert len(world.step_functions.executions) == starts


@pytest.mark.parametrize(
    ("prepare", "is_bound"),
    [
        (World.save_stored, True),
        (World.start, True),  # its execution is running and has no record yet
        (start_hidden, True),
        (lambda world: world.save(Status.STARTED, lease_left=300), True),
        (lambda world: world.save(Status.FAILED, error=REJECTED), True),
        (lambda world: world.s3.objects.pop(world.save_stored().key), False),  # its lifetime is over
        (lambda world: world.execute(1, NO_SECRET), False),
    ],
)
def test_key_is_bound_to_its_request(world: World, prepare: Callable[[World], object], *, is_bound: bool) -> None:
    prepare(world)
    started = len(world.step_functions.executions)
    assert world.post("Un gato").code == ((422, "IdempotencyKeyReusedError") if is_bound else (202, None))
    assert len(world.step_functions.executions) == started + (not is_bound)
