"""The model-watch function logs the days left of each model, and never fails."""

import pytest

from tests.account.watch import FIRST, KEY, SECOND, Watch
from tests.provider_server import ProviderServer, Responder, refuse, respond, write


def shutdown(day: object) -> Responder:
    return respond(200, {"id": "a model", "shutdown_date": day})


NO_DATE = shutdown(None)


@pytest.mark.parametrize(
    ("day", "days", "level"),
    [
        ("2027-01-16", 1, "WARNING"),
        ("2027-02-13", 29, "WARNING"),
        ("2027-02-14", 30, "INFO"),
        ("2027-01-12", -3, "WARNING"),
    ],
)
def test_days_until_the_shutdown_are_counted(day: str, days: int, level: str) -> None:
    with ProviderServer(shutdown(day), NO_DATE) as server:
        watch = Watch(server.base_url)
        assert watch.run() == {FIRST: days, SECOND: None}
    assert watch.days_left() == {FIRST: days}
    line = watch.line(FIRST)
    assert (line["message"], line["level"]) == ("model has a shutdown date", level)
    assert (line["shutdown_date"], line["days_left"]) == (day, days)
    assert watch.line(SECOND)["message"] == "model has no shutdown date"
    assert watch.not_checked() == 0


def test_every_model_is_requested_with_the_key() -> None:
    with ProviderServer(NO_DATE) as server:
        Watch(server.base_url, FIRST, "org/model").run()
    assert [request.path for request in server.requests] == [f"/v1/models/{FIRST}", "/v1/models/org%2Fmodel"]
    assert {request.headers["authorization"] for request in server.requests} == {f"Bearer {KEY}"}


def test_missing_model_has_no_days_left() -> None:
    with ProviderServer(refuse(404, "model_not_found"), NO_DATE) as server:
        watch = Watch(server.base_url)
        assert watch.run() == {FIRST: 0, SECOND: None}
    assert watch.days_left() == {FIRST: 0}
    assert (watch.line(FIRST)["message"], watch.line(FIRST)["level"]) == ("model is gone", "ERROR")


@pytest.mark.parametrize("status", [401, 403])
def test_refused_key_is_logged_with_the_missing_permission(status: int) -> None:
    with ProviderServer(refuse(status, "insufficient_permissions"), shutdown("2027-01-24")) as server:
        watch = Watch(server.base_url)
        assert watch.run() == {SECOND: 9}
    assert watch.not_checked() == 1
    line = watch.line(FIRST)
    assert (line["message"], line["level"]) == ("model not checked", "WARNING")
    assert f"HTTP {status}" in line["reason"]
    assert "list models" in line["reason"]


@pytest.mark.parametrize(
    "responder",
    [
        refuse(500, "server_error"),
        respond(503, b"overloaded"),
        respond(502, b"<html>Bad gateway</html>"),
        refuse(429, "rate_limit_exceeded"),
        respond(302, b"", Location="https://elsewhere.example/"),
        respond(404, b"a host without such a route"),
        respond(404, {"error": {"message": "Invalid URL (GET /v1/models/x)", "code": None}}),
        respond(200, b"no JSON"),
        respond(200, []),
        respond(200, {"id": FIRST}),
        shutdown("soon"),
        shutdown(1793750400),
        write(b""),
        write(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"),
    ],
)
def test_unusable_response_is_not_a_shutdown(responder: Responder) -> None:
    with ProviderServer(responder, NO_DATE) as server:
        watch = Watch(server.base_url)
        assert watch.run() == {SECOND: None}
    assert watch.days_left() == {}
    assert watch.not_checked() == 1
    assert watch.line(FIRST)["message"] == "model not checked"


@pytest.mark.parametrize(
    "event", [{}, {"credential": "shared/another"}, {"credential": None}, {"credential": "cli_1"}, [], None], ids=str
)
def test_missing_credential_is_logged(event: object) -> None:
    watch = Watch("https://nowhere.invalid/v1")
    assert watch.run(event) == {}
    assert watch.not_checked() == 1
    assert "secret" in watch.line(None)["reason"]


def test_client_credential_and_its_host_are_used() -> None:
    with ProviderServer(NO_DATE) as server:
        watch = Watch("https://nowhere.invalid/v1", FIRST, base_url_in_secret=server.base_url)
        assert watch.run({"credential": "cli_7/own"}) == {FIRST: None}
