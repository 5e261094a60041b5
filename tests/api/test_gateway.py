"""The adapter does what API Gateway does, no more: its events, its limits and its words."""

import json
import time
from typing import Any

import pytest

from local.gateway import Gateway
from local.lambda_context import LocalContext
from tests.api.http_client import CONTRACT


def echo(event: dict[str, Any], _context: LocalContext) -> dict[str, Any]:
    return {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "body": json.dumps(event)}


@pytest.fixture
def gateway() -> Gateway:
    return Gateway(CONTRACT, echo)


@pytest.mark.parametrize(
    ("method", "target", "route", "parameters"),
    [
        ("POST", "/clients/1/images", "POST /clients/{client_id}/images", {"client_id": "1"}),
        ("POST", "/clients/a%20b/images?x=1", "POST /clients/{client_id}/images", {"client_id": "a b"}),
        ("POST", "/clients/a%2Fb/images", "POST /clients/{client_id}/images", {"client_id": "a/b"}),
        (
            "GET",
            "/clients/1/images/2",
            "GET /clients/{client_id}/images/{image_id}",
            {"client_id": "1", "image_id": "2"},
        ),
        ("GET", "/clients/1/images", "$default", None),
        ("POST", "/clients//images", "$default", None),
        ("POST", "/clients/1/images/", "$default", None),
        ("GET", "//clients/1", "$default", None),
    ],
)
def test_a_request_becomes_the_event_of_its_route(
    gateway: Gateway, method: str, target: str, route: str, parameters: dict[str, str] | None
) -> None:
    event = gateway.event(method, target, {"X-Header": "a"}, b"")

    assert event["version"] == "2.0"
    assert event["routeKey"] == event["requestContext"]["routeKey"] == route
    assert event.get("pathParameters") == parameters
    assert event["headers"] == {"x-header": "a"}
    assert event["requestContext"]["http"]["method"] == method
    assert "body" not in event


@pytest.mark.parametrize(
    ("content_type", "content", "body", "is_base64"),
    [
        ("application/json", b'{"a": "\xc3\xb1"}', '{"a": "ñ"}', False),
        ("text/plain; charset=utf-8", b"x", "x", False),
        ("application/octet-stream", b"x", "eA==", True),
        ("application/json", b"\xff", "/w==", True),
    ],
)
def test_a_body_that_is_no_text_comes_in_base64(
    gateway: Gateway, content_type: str, content: bytes, body: str, *, is_base64: bool
) -> None:
    event = gateway.event("POST", "/clients/1/images", {"Content-Type": content_type}, content)

    assert (event["body"], event["isBase64Encoded"]) == (body, is_base64)


def test_two_requests_have_two_ids(gateway: Gateway) -> None:
    ids = {gateway.event("GET", "/", {}, b"")["requestContext"]["requestId"] for _ in range(10)}

    assert len(ids) == 10


@pytest.mark.parametrize(
    ("function", "status", "message"),
    [
        (lambda _event, _context: 1 / 0, 500, "Internal Server Error"),
        (lambda _event, _context: {"no": "status"}, 500, "Internal Server Error"),
        (lambda _event, _context: None, 500, "Internal Server Error"),
        (lambda _event, _context: time.sleep(0.5), 503, "Service Unavailable"),
    ],
)
def test_a_function_that_fails_or_is_late_is_told_as_api_gateway_tells_it(
    function: Any,  # noqa: ANN401  # of whatever kind
    status: int,
    message: str,
) -> None:
    response = Gateway(CONTRACT, function, seconds=0.1).answer("GET", "/", {}, b"")

    assert (response.status, json.loads(response.body)) == (status, {"message": message})


def test_an_answer_in_base64_is_decoded() -> None:
    gateway = Gateway(CONTRACT, lambda _event, _context: {"statusCode": 200, "body": "eA==", "isBase64Encoded": True})

    assert gateway.answer("GET", "/", {}, b"").body == b"x"
