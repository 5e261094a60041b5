"""The operator hears in time that a model ends, and whatever the provider answers, the watch itself does not fail."""

import socket
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from local.account import Account
from local.openai_stand_in import StandIn
from tests.operations.watch import Watch

FIRST, SECOND = "gpt-image-2.6-flare", "gpt-image-2"


@pytest.fixture
def today() -> date:
    return datetime.now(UTC).date()


@pytest.fixture
def watch(account: Account, stand_in: StandIn) -> Iterator[Watch]:
    account.create_secret({"apiKey": stand_in.api_key})
    watch = Watch(account, stand_in, f"{FIRST},{SECOND}")
    yield watch
    assert stand_in.api_key not in watch.log.getvalue()
    assert stand_in.ledger()["requests"] == 0  # it asks, and buys nothing


def days_left(watch: Watch) -> dict[str, float]:
    return {line["model"]: line["ModelDaysLeft"][0] for line in watch.metrics() if "ModelDaysLeft" in line}


def unwatched(watch: Watch) -> int:
    return sum(line["ModelsUnwatched"][0] for line in watch.metrics() if "ModelsUnwatched" in line)


def line_of(watch: Watch, model: str | None) -> dict[str, Any]:
    [line] = [line for line in watch.log_lines() if line.get("model") == model]
    return line


@pytest.mark.parametrize(("days", "level"), [(1, "WARNING"), (29, "WARNING"), (30, "INFO"), (90, "INFO")])
def test_days_left_are_counted(watch: Watch, stand_in: StandIn, today: date, days: int, level: str) -> None:
    stand_in.shutdown_dates = {FIRST: today + timedelta(days=days)}

    assert watch.look() == {FIRST: days, SECOND: None}

    assert days_left(watch) == {FIRST: days}
    line = line_of(watch, FIRST)
    assert (line["message"], line["level"]) == ("model has a shutdown date", level)
    assert line["shutdown_date"] == str(today + timedelta(days=days))
    assert line["days_left"] == days
    assert unwatched(watch) == 0


def test_a_date_that_has_passed_counts_below_zero(watch: Watch, stand_in: StandIn, today: date) -> None:
    stand_in.shutdown_dates = {FIRST: today - timedelta(days=3)}
    stand_in.today = today - timedelta(days=10)  # the provider has not carried it out yet

    assert watch.look() == {FIRST: -3, SECOND: None}

    assert days_left(watch) == {FIRST: -3}
    assert line_of(watch, FIRST)["level"] == "WARNING"


def test_no_date_is_told_and_counts_nothing(watch: Watch, stand_in: StandIn) -> None:
    stand_in.shutdown_dates = {FIRST: None, SECOND: None}

    assert watch.look() == {FIRST: None, SECOND: None}

    assert watch.metrics() == []
    assert line_of(watch, FIRST)["message"] == "model has no shutdown date"
    assert line_of(watch, FIRST)["level"] == "INFO"


def test_a_model_that_is_gone_has_no_days_left(watch: Watch, stand_in: StandIn, today: date) -> None:
    stand_in.shutdown_dates = {FIRST: today - timedelta(days=1)}

    assert watch.look() == {FIRST: 0, SECOND: None}

    assert days_left(watch) == {FIRST: 0}
    line = line_of(watch, FIRST)
    assert (line["message"], line["level"]) == ("model is gone", "ERROR")


def test_every_model_of_the_list_is_asked_about(watch: Watch, stand_in: StandIn, today: date) -> None:
    stand_in.shutdown_dates = {FIRST: today + timedelta(days=9), SECOND: today + timedelta(days=99)}

    watch.look()

    assert days_left(watch) == {FIRST: 9, SECOND: 99}


def test_a_restricted_key_is_told_what_it_lacks(watch: Watch, stand_in: StandIn, today: date) -> None:
    stand_in.shutdown_dates = {SECOND: today + timedelta(days=9)}
    stand_in.script("models_restricted_key", match={"model": FIRST})

    assert watch.look() == {SECOND: 9}

    assert days_left(watch) == {SECOND: 9}
    assert unwatched(watch) == 1
    line = line_of(watch, FIRST)
    assert (line["message"], line["level"]) == ("model not watched", "WARNING")
    assert "HTTP 403" in line["reason"]
    assert "list models" in line["reason"]


def test_a_wrong_key_is_told(watch: Watch, stand_in: StandIn) -> None:
    stand_in.accept_keys({"sk-another"})

    assert watch.look() == {}

    assert days_left(watch) == {}
    assert unwatched(watch) == 2
    assert "HTTP 401" in line_of(watch, FIRST)["reason"]


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 500, "body": {"error": {"message": "The server had an error", "type": "server_error"}}},
        {"status": 503, "body": "overloaded"},
        {"status": 502, "body": "<html>Bad gateway</html>"},
        {"status": 429, "body": {"error": {"code": "rate_limit_exceeded", "message": "slow down"}}},
        {"status": 302, "headers": {"Location": "https://elsewhere.example/"}},
        {"status": 404, "body": "a host that has no such route"},
        {"status": 404, "body": {"error": {"message": "Invalid URL (GET /v1/models/x)", "code": None}}},
        {"status": 200, "body": "no JSON"},
        {"status": 200, "body": []},
        {"status": 200, "body": {"id": FIRST}},
        {"status": 200, "body": {"id": FIRST, "shutdown_date": "soon"}},
        {"status": 200, "body": {"id": FIRST, "shutdown_date": 1793750400}},
        {"delivery": "closed"},
        {"delivery": "truncated"},
    ],
    ids=str,
)
def test_what_the_provider_does_not_tell_is_no_end(watch: Watch, stand_in: StandIn, fault: dict[str, Any]) -> None:
    stand_in.script({"fault": "status", "route": "models", "match": {"model": FIRST}} | fault)

    assert watch.look() == {SECOND: None}

    assert days_left(watch) == {}
    assert unwatched(watch) == 1
    assert line_of(watch, FIRST)["message"] == "model not watched"


def test_a_provider_that_is_down_is_told(account: Account, stand_in: StandIn) -> None:
    account.create_secret({"apiKey": stand_in.api_key})
    with socket.socket() as closed:  # bound, and nobody listens
        closed.bind(("127.0.0.1", 0))
        watch = Watch(account, stand_in, FIRST, OPENAI_BASE_URL=f"http://127.0.0.1:{closed.getsockname()[1]}/v1")

        assert watch.look() == {}

    assert unwatched(watch) == 1
    assert "ConnectionError" in line_of(watch, FIRST)["reason"]


def test_a_provider_that_hangs_costs_no_more_than_the_invocation(watch: Watch, stand_in: StandIn) -> None:
    stand_in.script({"fault": "status", "route": "models", "delay": 30, "times": "always"})

    assert watch.look(seconds=0.3) == {}

    assert unwatched(watch) == 2
    assert "DeadlineExceededError" in line_of(watch, FIRST)["reason"]


@pytest.mark.parametrize(
    "event", [{}, {"credential": "shared/another"}, {"credential": None}, {"credential": "cli_1"}, [], None], ids=str
)
def test_a_credential_that_is_not_there_is_told(watch: Watch, event: object) -> None:
    assert watch.look(event) == {}

    assert unwatched(watch) == 1
    assert "secret" in line_of(watch, None)["reason"]


def test_a_client_s_own_credential_may_be_named(watch: Watch, account: Account, stand_in: StandIn) -> None:
    account.create_secret({"apiKey": stand_in.api_key}, owner="cli_7", credentials_id="own")

    assert watch.look({"credential": "cli_7/own"}) == {FIRST: None, SECOND: None}


def test_the_secret_s_own_host_is_asked(account: Account, stand_in: StandIn) -> None:
    account.create_secret({"apiKey": stand_in.api_key, "baseUrl": stand_in.base_url})
    watch = Watch(account, stand_in, FIRST, OPENAI_BASE_URL="https://nowhere.invalid/v1")

    assert watch.look() == {FIRST: None}
