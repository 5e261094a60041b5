"""GET: the status of a picture, by the state of its record and of its last execution."""

import pytest

from generate_image.errors import (
    ContentRejectedError,
    CredentialsError,
    DownloadError,
    GenerateImageError,
    OutcomeUnknownError,
)
from generate_image.record import Status
from tests.unit.http.world import PICTURE, World

NO_SECRET = CredentialsError("There is no such secret.")
UNKNOWN = OutcomeUnknownError("It may be billed.")
BY_URL = PICTURE._replace(source_url="https://provider.example/x.png")


@pytest.fixture
def world() -> World:
    return World()


def start(world: World, attempt: int = 1) -> None:
    world.step_functions.start_execution(
        stateMachineArn=world.settings.state_machine_arn,
        name=world.execution_name(attempt),
        input='{"client_id": "1"}',
    )


@pytest.mark.parametrize(
    ("status", "lease_left", "running", "progress"),
    [
        (None, 0, True, "queued"),
        (Status.RELEASED, -100, True, "queued"),
        (Status.STARTED, 100, False, "started"),
        (Status.STARTED, -100, True, "started"),
        (Status.GENERATED, 100, False, "generated"),
        (Status.GENERATED, -100, True, "generated"),
    ],
)
def test_purchase_in_progress_is_pending(
    world: World, status: Status | None, lease_left: float, progress: str, *, running: bool
) -> None:
    if status:
        world.save(world.record(status, lease_left=lease_left, bought=BY_URL))
    if running:
        start(world)

    response = world.get()

    assert (response.status, response.body) == (202, {"image_id": world.image_id(), "status": progress})
    assert response.headers["Location"] == f"/clients/1/images/{world.image_id()}"
    assert response.headers["Retry-After"] == ("5" if progress == "queued" else "3")


@pytest.mark.parametrize(
    ("status", "recorded", "failure", "reported"),
    [
        (None, None, NO_SECRET, NO_SECRET),
        (Status.RELEASED, None, NO_SECRET, NO_SECRET),
        (Status.RELEASED, None, None, None),
        (Status.GENERATED, None, NO_SECRET, NO_SECRET),
        (Status.GENERATED, None, None, DownloadError("")),
        (Status.STARTED, None, NO_SECRET, UNKNOWN),
        (Status.FAILED, UNKNOWN, NO_SECRET, UNKNOWN),
        (Status.FAILED, ContentRejectedError("No."), NO_SECRET, ContentRejectedError("No.")),
    ],
)
def test_ended_purchase_is_reported_by_its_error(
    world: World,
    status: Status | None,
    recorded: GenerateImageError | None,
    failure: GenerateImageError | None,
    reported: GenerateImageError | None,
) -> None:
    if status:
        world.save(world.record(status, bought=BY_URL, error=recorded))
    if failure:
        start(world)
        world.end_execution(1, failure)

    response = world.get()

    assert len(world.step_functions.executions) == bool(failure)
    if reported is None:
        assert (response.status, response.body["code"]) == (404, "ImageNotFoundError")
    else:
        assert (response.status, response.body["code"]) == (reported.status, reported.code)
        assert response.body["instance"] == f"/clients/1/images/{world.image_id()}"


def test_last_attempt_decides(world: World) -> None:
    for attempt in range(1, 6):
        start(world, attempt)
        world.end_execution(attempt, NO_SECRET if attempt < 5 else ContentRejectedError("No."))

    assert world.get().body["code"] == "ContentRejectedError"


@pytest.mark.parametrize("failed", [True, False])
def test_picture_with_an_unfinished_record_is_found(world: World, *, failed: bool) -> None:
    status, error = (Status.FAILED, UNKNOWN) if failed else (Status.STARTED, None)
    world.save(world.record(status, error=error))
    picture = world.store_picture()

    response = world.get()

    assert response.status == 200
    assert response.body["_meta_"]["key"] == picture.key
    assert response.body["_meta_"]["replayed"] is True


def test_picture_of_another_request_is_not_found(world: World) -> None:
    """An earlier life of the key left it behind."""
    world.save(world.record(Status.STARTED))
    world.store_picture(request_hash="another")

    assert world.get().body["code"] == "OutcomeUnknownError"


def test_old_failure_is_not_reported_after_the_lifetime(world: World) -> None:
    start(world)
    world.end_execution(1, NO_SECRET)
    world.clock.sleep(1000)
    record = world.save_stored()
    assert record.stored is not None
    del world.s3.objects[record.stored.key]
    absent = world.get()
    world.clock.sleep(10)
    start(world, 2)
    world.end_execution(2, NO_SECRET)

    assert absent.status == 404
    assert world.get().body["code"] == "CredentialsError"


def test_record_saved_between_the_two_looks_is_read_again(world: World) -> None:
    start(world)
    describe = world.step_functions.describe_execution

    def finish_first(*, executionArn: str) -> dict[str, object]:  # noqa: N803  # boto3's name
        if not world.s3.objects:
            world.save_stored()
            world.end_execution(1)
        return describe(executionArn=executionArn)

    world.step_functions.describe_execution = finish_first  # type: ignore[method-assign]

    assert world.get().status == 200


def test_execution_of_another_client_is_not_revealed(world: World) -> None:
    world.post(prefer="respond-async")

    assert world.get().status == 202
    assert world.get(client="2").status == 404


def test_get_returns_the_data_of_the_first_request(world: World) -> None:
    data = {"prompt_image": "Un faro", "order": 4711}
    record = world.save_stored()
    world.save(record._replace(passed_through={"nextModule": "next", "data": data}))

    response = world.get()

    assert response.body["nextModule"] == "next"
    assert response.body["data"]["order"] == 4711
    assert response.headers["Content-Location"] == f"/clients/1/images/{world.image_id()}"


def test_failed_read_is_a_retryable_problem(world: World) -> None:
    world.s3.failing = True

    response = world.get()

    assert (response.status, response.body["code"], response.headers["Retry-After"]) == (503, "StorageError", "5")
