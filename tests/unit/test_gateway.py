"""The local gateway behaves as API Gateway: its events, its limits, its messages and its CORS."""

import json
from threading import Event
from typing import Any

import pytest

from local.gateway import Gateway
from local.http_api import CONTRACT
from local.lambda_context import LocalContext

ORIGIN = "http://localhost:5173"
PATH = "/clients/1/images"
PREFLIGHT = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}


def echo(event: dict[str, Any], _context: LocalContext) -> dict[str, Any]:
    return {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "body": json.dumps(event)}


def fail(_event: dict[str, Any], _context: LocalContext) -> None:
    raise ValueError("a defect")


@pytest.fixture
def gateway() -> Gateway:
    return Gateway(CONTRACT, echo)


@pytest.mark.parametrize(
    ("method", "target", "route", "parameters"),
    [
        ("POST", PATH, "POST /clients/{client_id}/images", {"client_id": "1"}),
        ("POST", "/clients/a%20b/images?x=1", "POST /clients/{client_id}/images", {"client_id": "a b"}),
        ("POST", "/clients/a%2Fb/images", "POST /clients/{client_id}/images", {"client_id": "a/b"}),
        ("GET", f"{PATH}/2", "GET /clients/{client_id}/images/{image_id}", {"client_id": "1", "image_id": "2"}),
        ("GET", PATH, "$default", None),
        ("POST", "/clients//images", "$default", None),
        ("POST", f"{PATH}/", "$default", None),
        ("GET", "//clients/1", "$default", None),
    ],
)
def test_request_becomes_event_of_its_route(
    gateway: Gateway, method: str, target: str, route: str, parameters: dict[str, str] | None
) -> None:
    event = gateway.event(method, target, {"X-Header": "a"}, b"")

    assert event["version"] == "2.0"
    assert event["routeKey"] == event["requestContext"]["routeKey"] == route
    assert event.get("pathParameters") == parameters
    assert event["headers"] == {"x-header": "a"}
    assert event["requestContext"]["http"]["method"] == method
    assert "body" not in event
    assert event["requestContext"]["requestId"] != gateway.event(method, target, {}, b"")["requestContext"]["requestId"]


@pytest.mark.parametrize(
    ("content_type", "content", "body", "is_base64"),
    [
        ("application/json", b'{"a": "\xc3\xb1"}', '{"a": "ñ"}', False),
        ("text/plain; charset=utf-8", b"x", "x", False),
        ("application/octet-stream", b"x", "eA==", True),
        ("application/json", b"\xff", "/w==", True),
    ],
)
def test_binary_body_is_base64(
    gateway: Gateway, content_type: str, content: bytes, body: str, *, is_base64: bool
) -> None:
    event = gateway.event("POST", PATH, {"Content-Type": content_type}, content)

    assert (event["body"], event["isBase64Encoded"]) == (body, is_base64)


@pytest.mark.parametrize("function", [fail, lambda _event, _context: {"no": "status"}, lambda _event, _context: None])
def test_invalid_response_of_function_is_500(function: Any) -> None:  # noqa: ANN401  # returns anything
    response = Gateway(CONTRACT, function).answer("GET", "/", {}, b"")

    assert (response.status, json.loads(response.body)) == (500, {"message": "Internal Server Error"})


def test_late_function_is_503() -> None:
    answered = Event()
    response = Gateway(CONTRACT, lambda _event, _context: answered.wait(10), seconds=0).answer("GET", "/", {}, b"")
    answered.set()

    assert (response.status, json.loads(response.body)) == (503, {"message": "Service Unavailable"})


def test_event_over_lambda_limit_is_413(gateway: Gateway) -> None:
    assert gateway.answer("POST", PATH, {"Content-Type": "text/plain"}, b"x" * (7 * 1024 * 1024)).status == 413


def test_preflight_gets_lists_of_contract() -> None:
    response = Gateway(CONTRACT, fail, cors_origins=[ORIGIN]).answer("OPTIONS", PATH, PREFLIGHT, b"")

    assert response.status == 204
    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert response.headers["Access-Control-Allow-Methods"] == "GET,POST"
    assert "idempotency-key" in response.headers["Access-Control-Allow-Headers"]

    foreign = Gateway(CONTRACT, fail, cors_origins=["http://other"]).answer("OPTIONS", PATH, PREFLIGHT, b"")
    assert (foreign.status, dict(foreign.headers)) == (204, {})


def test_response_names_allowed_origin() -> None:
    gateway = Gateway(CONTRACT, echo, cors_origins=[ORIGIN])

    response = gateway.answer("POST", PATH, {"Origin": ORIGIN}, b"{}")
    unknown = gateway.answer("GET", "/nothing", {}, b"")

    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "location" in response.headers["Access-Control-Expose-Headers"]
    assert (unknown.status, json.loads(unknown.body)) == (404, {"message": "Not Found"})
