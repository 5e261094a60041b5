"""The local gateway behaves as API Gateway: its events, its limits, its messages and its CORS."""

import json
from collections.abc import Callable
from threading import Event
from typing import Any

import pytest

from local.gateway import Gateway
from local.http_api import CONTRACT

ORIGIN = "http://localhost:5173"
PATH = "/clients/1/images"
JSON = "application/json"


def echo(event: Any, _context: object) -> dict[str, Any]:  # noqa: ANN401  # any event
    return {"statusCode": 200, "headers": {"Content-Type": JSON}, "body": json.dumps(event)}


def fail(_event: object, _context: object) -> None:
    raise ValueError("a defect")


@pytest.mark.parametrize(
    ("method", "target", "route", "parameters"),
    [
        ("POST", "/clients/a%20b/images?x=1", "POST /clients/{client_id}/images", {"client_id": "a b"}),
        ("POST", "/clients/a%2Fb/images", "POST /clients/{client_id}/images", {"client_id": "a/b"}),
        ("GET", f"{PATH}/2", "GET /clients/{client_id}/images/{image_id}", {"client_id": "1", "image_id": "2"}),
        ("GET", PATH, "$default", None),
        ("POST", "/clients//images", "$default", None),
        ("POST", f"{PATH}/", "$default", None),
    ],
)
def test_request_becomes_event_of_its_route(
    method: str, target: str, route: str, parameters: dict[str, str] | None
) -> None:
    event, other = (Gateway(CONTRACT, echo).event(method, target, {"X-Header": "a"}, b"") for _ in range(2))

    assert (event["version"], event["routeKey"], event.get("pathParameters")) == ("2.0", route, parameters)
    assert event["headers"] == {"x-header": "a"}
    assert "body" not in event
    assert event["requestContext"]["requestId"] != other["requestContext"]["requestId"]


@pytest.mark.parametrize(
    ("content_type", "content", "body", "is_base64"),
    [
        (JSON, b'{"a": "\xc3\xb1"}', '{"a": "ñ"}', False),
        ("text/plain; charset=utf-8", b"x", "x", False),
        ("application/octet-stream", b"x", "eA==", True),
        (JSON, b"\xff", "/w==", True),
    ],
)
def test_binary_body_is_base64(content_type: str, content: bytes, body: str, *, is_base64: bool) -> None:
    event = Gateway(CONTRACT, echo).event("POST", PATH, {"Content-Type": content_type}, content)

    assert (event["body"], event["isBase64Encoded"]) == (body, is_base64)


@pytest.mark.parametrize(
    ("function", "seconds", "size", "status", "message"),
    [
        (fail, 30, 0, 500, "Internal Server Error"),
        (lambda _event, _context: {"no": "status"}, 30, 0, 500, "Internal Server Error"),
        (lambda _event, _context: None, 30, 0, 500, "Internal Server Error"),
        (lambda _event, _context: Event().wait(10), 0, 0, 503, "Service Unavailable"),
        (echo, 30, 7 * 1024 * 1024, 413, "Request Entity Too Large"),
    ],
)
def test_failure_gets_a_message_of_the_gateway(
    function: Callable[..., Any], seconds: float, size: int, status: int, message: str
) -> None:
    response = Gateway(CONTRACT, function, seconds=seconds).answer("POST", PATH, {}, b"x" * size)

    assert (response.status, json.loads(response.body)) == (status, {"message": message})


@pytest.mark.parametrize("is_allowed", [True, False])
def test_only_an_allowed_origin_gets_cors_headers(*, is_allowed: bool) -> None:
    gateway = Gateway(CONTRACT, echo, cors_origins=[ORIGIN if is_allowed else "http://other"])

    preflight = gateway.answer("OPTIONS", PATH, {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}, b"")
    response = gateway.answer("POST", PATH, {"Origin": ORIGIN}, b"{}")
    unknown = gateway.answer("GET", "/nothing", {}, b"")

    assert (preflight.status, unknown.status) == (204, 404)
    assert preflight.headers.get("Access-Control-Allow-Methods") == ("GET,POST" if is_allowed else None)
    assert ("idempotency-key" in preflight.headers.get("Access-Control-Allow-Headers", "")) == is_allowed
    assert ("location" in response.headers.get("Access-Control-Expose-Headers", "")) == is_allowed
    assert response.headers.get("Access-Control-Allow-Origin") == (ORIGIN if is_allowed else None)
