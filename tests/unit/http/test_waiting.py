"""The waiting rules: when an execution starts, when it is described, and when a wait ends."""

import json
from itertools import pairwise
from typing import Any

import pytest

from generate_image.errors import (
    ContentRejectedError,
    CredentialsError,
    OutcomeUnknownError,
    QuotaExhaustedError,
    RateLimitedError,
)
from generate_image.record import Status
from tests.unit.http.world import PICTURE, World

UNKNOWN = OutcomeUnknownError("It may be billed.")
NO_SECRET = CredentialsError("There is no such secret.")
BY_URL = PICTURE._replace(source_url="https://provider.example/x.png")


@pytest.fixture
def world() -> World:
    return World()


def test_new_key_starts_an_execution_with_the_event(world: World) -> None:
    response = world.post(prefer="respond-async", nextModule="next")

    assert (response.status, response.body) == (202, {"image_id": world.image_id(), "status": "queued"})
    assert list(world.step_functions.executions) == [world.image_id()]
    assert world.step_functions.described == []
    assert json.loads(world.step_functions.executions[world.image_id()].input) == {
        "client_id": "1",
        "idempotency_key": "order-1",
        "nextModule": "next",
        "config": {"credentials_id": "openai", "prompt": "Un faro al atardecer"},
    }


def test_wait_ends_as_soon_as_the_picture_is_stored(world: World) -> None:
    world.clock.after(7, world.save_stored)
    before = world.clock.now

    response = world.post()

    assert response.status == 200
    assert response.body["_meta_"]["replayed"] is False
    assert world.clock.now - before < 8.1


@pytest.mark.parametrize("status", [None, Status.RELEASED])
def test_waiting_describes_at_most_every_five_seconds(world: World, status: Status | None) -> None:
    if status:
        world.clock.after(1, lambda: world.save(world.record(status)))
    before = world.clock.now

    response = world.post()

    times = [time for time, _ in world.step_functions.described]
    assert (response.status, response.body["status"]) == (202, "queued")
    assert world.clock.now - before == pytest.approx(25)
    assert 4 <= len(times) <= 5
    assert all(later - earlier >= 5 for earlier, later in pairwise(times))
    assert world.s3.reads >= 25


def test_waiting_for_a_lease_describes_nothing(world: World) -> None:
    world.clock.after(0.5, lambda: world.save(world.record(Status.STARTED, lease_left=300)))

    response = world.post()

    assert (response.status, response.body["status"]) == (202, "started")
    assert world.step_functions.described == []


@pytest.mark.parametrize(("stored_after", "status"), [(20, 200), (30, 202)])
def test_throttled_describe_never_ends_a_wait(world: World, stored_after: float, status: int) -> None:
    world.step_functions.failing_describe = "ThrottlingException"
    world.clock.after(stored_after, world.save_stored)

    assert world.post().status == status


def test_failed_read_never_ends_a_wait(world: World) -> None:
    def recover() -> None:
        world.s3.failing = False
        world.save_stored()

    world.clock.after(2, lambda: setattr(world.s3, "failing", True))
    world.clock.after(10, recover)

    assert world.post().status == 200


def test_wrong_state_machine_ends_a_wait(world: World) -> None:
    world.step_functions.failing_describe = "AccessDeniedException"

    response = world.post()

    assert (response.status, response.body["code"]) == (500, "ConfigurationError")


def test_start_that_fails_is_retryable(world: World) -> None:
    world.step_functions.failing = "ThrottlingException"

    response = world.post()

    assert (response.status, response.body["code"], response.body["retryable"]) == (503, "StepFunctionsError", True)


def test_wait_leaves_time_for_the_response(world: World) -> None:
    before = world.clock.now

    response = world.post(seconds=10)

    assert response.status == 202
    assert world.clock.now - before <= 8


@pytest.mark.parametrize(("prefer", "seconds"), [("wait=3", 3), ("respond-async, wait=4", 4), ("respond-async", 0)])
def test_wait_lasts_as_long_as_preferred(world: World, prefer: str, seconds: float) -> None:
    before = world.clock.now

    response = world.post(prefer=prefer)

    assert world.clock.now - before == pytest.approx(seconds)
    assert response.headers["Preference-Applied"] == prefer


def test_failed_execution_is_reported_soon(world: World) -> None:
    world.fail_every_start(NO_SECRET)
    before = world.clock.now

    response = world.post()

    assert (response.status, response.body["code"]) == (400, "CredentialsError")
    assert response.body["instance"] == f"/clients/1/images/{world.image_id()}"
    assert world.clock.now - before < 2


def test_recorded_error_ends_a_wait(world: World) -> None:
    error = ContentRejectedError("No.", categories=["violence"])
    world.clock.after(3, lambda: world.save(world.record(Status.FAILED, error=error)))

    response = world.post()

    assert (response.status, response.body["categories"]) == (422, ["violence"])


def test_retry_ignores_the_earlier_attempt_in_its_wait(world: World) -> None:
    world.fail_every_start(NO_SECRET)
    world.post()
    world.step_functions.on_start = lambda _: None
    world.step_functions.hides_starts = True
    world.clock.after(20, world.save_stored)

    response = world.post()

    assert response.status == 200
    assert {name for _, name in world.step_functions.described[3:]} == {world.execution_name(2)}


@pytest.mark.parametrize(("is_new_environment", "describes"), [(False, 2), (True, 10)])
def test_last_attempt_is_found_in_few_describes(world: World, *, is_new_environment: bool, describes: int) -> None:
    world.fail_every_start(NO_SECRET)
    for _ in range(30):
        world.post(prefer="respond-async")
        world.clock.sleep(60)
    if is_new_environment:
        world.restart()
    del world.step_functions.described[:]

    world.post(prefer="respond-async")

    assert len(world.step_functions.described) <= describes
    assert len(world.step_functions.executions) == 31


def test_attempts_of_a_failing_key_are_spaced(world: World) -> None:
    world.fail_every_start(QuotaExhaustedError("No credit is left."))
    first, second, third = (world.post(prefer="respond-async") for _ in range(3))
    world.clock.sleep(2)
    later = world.post(prefer="respond-async")

    assert (first.status, second.status, later.status) == (202, 202, 202)
    assert (third.status, third.body["code"], third.headers["Retry-After"]) == (429, "RateLimitedError", "2")
    assert "QuotaExhaustedError" in third.body["detail"]
    assert len(world.step_functions.executions) == 3


def test_hammered_key_has_few_attempts(world: World) -> None:
    world.fail_every_start(NO_SECRET)
    for _ in range(50):
        world.post(prefer="respond-async")
        world.clock.sleep(12)

    assert len(world.step_functions.executions) <= 16


def test_running_execution_is_joined(world: World) -> None:
    world.post(prefer="respond-async")
    world.clock.sleep(30)
    del world.step_functions.described[:]
    world.clock.after(12, world.save_stored)

    joined = world.post(nextModule="mine")

    assert joined.status == 200
    assert joined.body["_meta_"]["replayed"] is True
    assert joined.body["nextModule"] == "mine"
    assert {name for _, name in world.step_functions.described} == {world.image_id()}
    assert len(world.step_functions.executions) == 1


def test_failure_of_a_joined_execution_is_reported(world: World) -> None:
    world.post(prefer="respond-async")
    world.clock.sleep(30)
    del world.step_functions.described[:]
    world.clock.after(3, lambda: world.end_execution(1, NO_SECRET))

    joined = world.post(nextModule="mine")

    assert joined.body["code"] == "CredentialsError"
    assert {name for _, name in world.step_functions.described} == {world.image_id()}


def test_identical_request_of_another_environment_is_a_replay(world: World) -> None:
    world.post(prefer="respond-async")
    world.restart()
    world.clock.sleep(10)
    world.clock.after(5, world.save_stored)

    assert world.post().body["_meta_"]["replayed"] is True
    assert len(world.step_functions.executions) == 1


def test_simultaneous_start_is_joined(world: World) -> None:
    """Another environment starts the attempt with another input, and Step Functions does not show it yet."""
    world.step_functions.hides_starts = True
    other = json.dumps({"client_id": "1", "nextModule": "other"})
    world.step_functions.start_execution(
        stateMachineArn=world.settings.state_machine_arn, name=world.image_id(), input=other
    )
    world.clock.after(5, world.save_stored)

    response = world.post()

    assert response.status == 200
    assert response.body["_meta_"]["replayed"] is True
    assert len(world.step_functions.executions) == 1


@pytest.mark.parametrize(
    ("record", "when_outcome_unknown", "starts", "status"),
    [
        ({"status": Status.STARTED, "lease_left": 300}, "fail", 0, 200),
        ({"status": Status.GENERATED, "bought": BY_URL}, "fail", 1, 200),
        ({"status": Status.FAILED, "error": UNKNOWN}, "fail", 0, 504),
        ({"status": Status.FAILED, "error": UNKNOWN}, "buy-again", 1, 200),
        ({"status": Status.RELEASED, "prompt": "Un gato"}, "fail", 1, 200),
    ],
)
@pytest.mark.parametrize("hides_starts", [False, True])
def test_record_decides_whether_an_execution_starts(
    world: World,
    record: dict[str, Any],
    when_outcome_unknown: str,
    starts: int,
    status: int,
    *,
    hides_starts: bool,
) -> None:
    world.restart(WHEN_OUTCOME_UNKNOWN=when_outcome_unknown)
    world.step_functions.hides_starts = hides_starts
    world.save(world.record(**record))
    world.clock.after(8, world.save_stored)

    assert world.post().status == status
    assert len(world.step_functions.executions) == starts


def test_stored_picture_starts_nothing(world: World) -> None:
    world.save_stored()

    response = world.post(prefer="respond-async")

    assert (response.status, response.body["_meta_"]["replayed"]) == (200, True)
    assert response.headers["Content-Location"] == f"/clients/1/images/{world.image_id()}"
    assert world.step_functions.executions == {}


def test_expired_lease_starts_one_execution_that_saves_it(world: World) -> None:
    world.save(world.record(Status.STARTED))

    def save(name: str) -> None:
        world.save(world.record(Status.FAILED, error=UNKNOWN))
        world.step_functions.end(name, "FAILED", UNKNOWN.code, json.dumps({"errorMessage": str(UNKNOWN)}))

    world.step_functions.on_start = save

    assert [world.post().status for _ in range(3)] == [504, 504, 504]
    assert len(world.step_functions.executions) == 1


def test_key_of_a_record_is_bound_to_its_request(world: World) -> None:
    for status in (Status.STORED, Status.FAILED, Status.STARTED):
        error = ContentRejectedError("No.") if status is Status.FAILED else None
        stored = world.store_picture() if status is Status.STORED else None
        world.save(world.record(status, lease_left=300, bought=PICTURE, stored=stored, error=error))

        response = world.post("Un gato")

        assert (response.status, response.body["code"]) == (422, "IdempotencyKeyReusedError")
    assert world.step_functions.executions == {}


def test_key_of_a_running_execution_is_bound_to_its_request(world: World) -> None:
    world.post(prefer="respond-async")

    response = world.post("Un gato")

    assert (response.status, response.body["code"]) == (422, "IdempotencyKeyReusedError")


def test_key_is_new_after_the_lifetime_of_its_picture(world: World) -> None:
    record = world.save_stored()
    assert record.stored is not None
    del world.s3.objects[record.stored.key]

    assert world.post("Un gato", prefer="respond-async").status == 202
    assert len(world.step_functions.executions) == 1


def test_requests_without_a_key_are_different_pictures(world: World) -> None:
    event_id = "JKJaXmPLvHcESHA="

    response = world.post(key=None, prefer="respond-async")

    assert response.body["image_id"] == world.image_id(event_id)


def test_rate_limit_of_the_provider_is_reported_with_its_time(world: World) -> None:
    world.fail_every_start(RateLimitedError("Too many requests."))

    response = world.post()

    assert (response.status, response.headers["Retry-After"]) == (429, "5")
