"""The budget of a client over HTTP, and the error of a purchase above it."""

import pytest

from generate_image.aws.ledger import Ledger, Reservation
from generate_image.errors import BudgetExceededError
from generate_image.money import MicroUsd
from tests.unit.http.world import Response, World, event


def budget_of(world: World, client: str = "1") -> Response:
    return world.call(event("GET", f"/clients/{client}/budget"))


@pytest.fixture
def world() -> World:
    """It is 15 January 2027."""
    return World()


def store(world: World, key: str, ledger: Ledger) -> None:
    world.s3.put_object(Bucket="", Key=f"budgets/{key}.json", Body=ledger.to_json(), ContentType="application/json")


def test_budget_of_this_month_is_returned(world: World) -> None:
    reserved = {"one": Reservation(MicroUsd(250_000), 0, "holder"), "two": Reservation(MicroUsd(40_000), 0, "holder")}
    store(world, "cli_1/2027-01", Ledger(MicroUsd(25_000_000), MicroUsd(3_964_500), reserved))

    response = budget_of(world)

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


def test_nothing_remains_above_a_lowered_limit(world: World) -> None:
    store(world, "cli_1/2027-01", Ledger(MicroUsd(1_000_000), MicroUsd(3_000_000)))

    assert budget_of(world).body["remaining_usd"] == 0


@pytest.mark.parametrize("key", ["cli_1/2026-12", "cli_2/2027-01"])
def test_month_without_a_ledger_is_not_found(world: World, key: str) -> None:
    store(world, key, Ledger())

    response = budget_of(world)

    assert (response.status, response.body["code"]) == (404, "BudgetNotFoundError")


def test_failed_read_of_the_ledger_is_retryable(world: World) -> None:
    world.s3.failing = True

    response = budget_of(world)

    assert (response.status, response.body["code"]) == (503, "StorageError")


def test_exceeded_budget_returns_its_amounts(world: World) -> None:
    amounts = {"limit_usd": 0.4, "settled_usd": 0.36, "reserved_usd": 0.04, "month_ends": "2027-02-01T00:00:00Z"}
    world.fail_every_start(BudgetExceededError.of_client("1", amounts, 0.04))

    response = world.post()

    assert (response.status, response.body["code"], response.body["retryable"]) == (402, "BudgetExceededError", False)
    assert response.body["budget"] == amounts
