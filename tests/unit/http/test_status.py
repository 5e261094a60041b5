"""GET: the status of a picture, by its record and its last execution; and the budget of a client."""

from typing import Any

import pytest

from generate_image.aws.ledger import Ledger, Reservation
from generate_image.errors import ConfigurationError, DownloadError, GenerateImageError
from generate_image.money import MicroUsd
from generate_image.picture import StoredPicture
from generate_image.record import Status
from tests.unit.http.conftest import BOUGHT, IMAGES, NO_SECRET, REJECTED, UNKNOWN, Response, World, event

STORED = StoredPicture("temporal/cli_1/id.png", "image/png", 0)


@pytest.mark.parametrize(
    ("status", "lease_left", "running", "progress", "retry_after"),
    [
        (None, 0, True, "queued", "5"),
        (Status.RELEASED, -100, True, "queued", "5"),
        (Status.STARTED, 100, False, "started", "3"),
        (Status.STARTED, -100, True, "started", "3"),
        (Status.GENERATED, -100, True, "generated", "3"),
    ],
)
def test_purchase_in_progress_is_pending(
    world: World, status: Status | None, lease_left: float, progress: str, retry_after: str, *, running: bool
) -> None:
    if status:
        world.save(status, lease_left=lease_left, bought=BOUGHT)
    if running:
        world.execute(1)
    response = world.get()
    assert (response.status, response.body) == (202, {"image_id": world.image_id(), "status": progress})
    assert response.headers["Location"] == f"{IMAGES}/{world.image_id()}"
    assert response.headers["Retry-After"] == retry_after


@pytest.mark.parametrize(
    ("record", "failures", "reported"),
    [
        (None, [NO_SECRET, REJECTED], REJECTED),
        ({"status": Status.RELEASED, "lease_left": 100}, [NO_SECRET], NO_SECRET),
        ({"status": Status.RELEASED}, [], None),
        ({"status": Status.GENERATED, "bought": BOUGHT}, [NO_SECRET], NO_SECRET),
        ({"status": Status.GENERATED, "bought": BOUGHT}, [], DownloadError("")),
        ({"status": Status.STARTED}, [NO_SECRET], UNKNOWN),
        ({"status": Status.STORED, "bought": BOUGHT, "stored": STORED}, [], None),  # its lifetime is over
        ({"status": Status.FAILED, "error": REJECTED}, [NO_SECRET], REJECTED),
    ],
)
def test_ended_purchase_is_reported_by_its_error(
    world: World, record: dict[str, Any] | None, failures: list[GenerateImageError], reported: GenerateImageError | None
) -> None:
    if record:
        world.save(**record)
    for attempt, failure in enumerate(failures, 1):
        world.execute(attempt, failure)
    response = world.get()
    assert response.code == ((reported.status, reported.code) if reported else (404, "ImageNotFoundError"))
    assert response.body.get("instance") == (f"{IMAGES}/{world.image_id()}" if reported else None)
    assert "request failed" in world.log.getvalue()
    assert f'"image_id":"{world.image_id()}"' in world.log.getvalue()


def test_old_failure_is_not_reported_after_the_lifetime(world: World) -> None:
    world.execute(1, NO_SECRET)
    world.clock.sleep(1000)
    del world.s3.objects[world.save_stored().key]
    absent = world.get()
    world.clock.sleep(10)
    world.execute(2, NO_SECRET)
    assert absent.code == (404, "ImageNotFoundError")
    assert world.get().body["code"] == "CredentialsError"


def test_record_saved_between_the_two_looks_is_read_again(world: World) -> None:
    world.execute(1)
    describe = world.step_functions.describe_execution

    def finish_first(*, executionArn: str) -> dict[str, object]:  # noqa: N803  # boto3's name
        world.save_stored()
        world.step_functions.end(world.image_id())
        return describe(executionArn=executionArn)

    world.step_functions.describe_execution = finish_first  # type: ignore[method-assign]
    assert world.get().status == 200


def test_picture_of_another_client_is_not_revealed(world: World) -> None:
    world.start()
    another = world.call(event("GET", f"/clients/2/images/{world.image_id()}"))
    assert (world.get().status, another.code) == (202, (404, "ImageNotFoundError"))


def test_absent_machine_or_signing_key_is_reported(world: World) -> None:
    with pytest.raises(ConfigurationError, match="STATE_MACHINE_ARN"):
        world.restart(STATE_MACHINE_ARN="")
    world.restart(CLOUDFRONT_KEY_PAIR_ID="K2JCJMDEHXQW5F", CLOUDFRONT_PRIVATE_KEY_SECRET="absent")
    world.save_stored()
    assert world.get().code == (500, "ConfigurationError")


def test_budget_of_this_month_is_returned(world: World) -> None:
    def budget(ledger: Ledger, key: str = "cli_1/2027-01") -> Response:
        world.s3.put_object(Bucket="", Key=f"budgets/{key}.json", Body=ledger.to_json(), ContentType="application/json")
        return world.call(event("GET", "/clients/1/budget"))

    for another in ("cli_1/2026-12", "cli_2/2027-01"):
        assert budget(Ledger(), another).code == (404, "BudgetNotFoundError")
    reserved = {"one": Reservation(MicroUsd(250_000), 0, "holder"), "two": Reservation(MicroUsd(40_000), 0, "holder")}
    response = budget(Ledger(MicroUsd(25_000_000), MicroUsd(3_964_500), reserved))
    assert response.status == 200
    assert response.body == {
        "client_id": "1",
        "month": "2027-01",
        "limit_usd": 25,
        "settled_usd": 3.9645,
        "reserved_usd": 0.29,
        "remaining_usd": 20.7455,
        "open_reservations": 2,
        "month_ends": "2027-02-01T00:00:00Z",
    }
    assert budget(Ledger(MicroUsd(1_000_000), MicroUsd(3_000_000))).body["remaining_usd"] == 0  # of a lowered limit
