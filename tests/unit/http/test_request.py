"""Which requests are served: the authorizer, the client, the route, the key and the body. Others get a 4xx problem."""

import json
from base64 import b64encode
from typing import Any

import pytest

from generate_image.errors import InvalidRequestError
from generate_image.http.waiting import parse_prefer
from tests.unit.http.conftest import IMAGES, World, event

CONFIG = {"credentials_id": "openai", "prompt": "Un faro"}
BODY = json.dumps({"config": CONFIG})
HEADERS = {"content-type": "application/json", "prefer": "respond-async"}
ID = "0f5c2c3e-6d0b-5f86-9a59-3b8d1f0c6a11"
PICTURE = f"{IMAGES}/{ID}"
BUDGET = "/clients/1/budget"
ARN = {"iam": {"userArn": "arn:aws:iam::123456789012:user/flow"}}


def jwt(**claims: str) -> dict[str, Any]:
    return {"jwt": {"claims": claims, "scopes": None}}


SERVED = [(202, None), (404, "ImageNotFoundError"), (404, "BudgetNotFoundError"), (405, "MethodNotAllowedError")]
FORBIDDEN = [(403, "ForbiddenError")] * 4
TOKEN_OF_ANOTHER = FORBIDDEN[:3] + SERVED[3:]


@pytest.mark.parametrize(
    ("kind", "authorizer", "codes"),
    [
        ("none", None, SERVED),
        ("iam", ARN, SERVED),
        ("jwt", jwt(client_id="1"), SERVED),
        ("", None, FORBIDDEN),  # without the setting, the function expects IAM
        ("iam", {}, FORBIDDEN),
        ("iam", {"iam": None}, FORBIDDEN),
        ("iam", {"iam": {"userArn": ""}}, FORBIDDEN),
        ("jwt", None, FORBIDDEN),
        ("jwt", ARN, FORBIDDEN),
        ("jwt", {"jwt": {"claims": None}}, FORBIDDEN),
        ("jwt", jwt(), FORBIDDEN),
        ("jwt", jwt(client_id="2"), TOKEN_OF_ANOTHER),
        ("jwt", jwt(client_id=""), TOKEN_OF_ANOTHER),
        ("jwt", jwt(sub="1"), TOKEN_OF_ANOTHER),
    ],
)
def test_only_authorized_requests_are_served(
    world: World, kind: str, authorizer: object, codes: list[tuple[int, str | None]]
) -> None:
    world.restart(API_AUTHORIZATION=kind, JWT_CLIENT_CLAIM="client_id" if kind == "jwt" else "")
    requests = [event("POST", IMAGES, HEADERS, BODY), event("GET", PICTURE), event("GET", BUDGET), event("PUT", IMAGES)]
    for request in requests:
        request["requestContext"]["authorizer"] = authorizer
    assert [world.call(request).code for request in requests] == codes
    assert len(world.step_functions.executions) == (codes is SERVED)


@pytest.mark.parametrize(
    ("method", "path", "status", "allowed"),
    [
        *((method, IMAGES, 405, "POST") for method in ("GET", "PUT", "OPTIONS")),
        *(("DELETE", path, 405, "GET") for path in (PICTURE, BUDGET)),
        *(("PATCH", path, 404, None) for path in ("/", "/clients//images", f"{PICTURE}/x", "/CLIENTS/1/images")),
        *(("GET", f"/clients/{client}/budget", 400, None) for client in ("..", "a%2Fb", "ñ", "a" * 65, "%00", "1;x")),
        *(("GET", f"{IMAGES}/{name}", 400, None) for name in ("x", ID.upper(), ID.replace("-", ""), "..", "%2e")),
    ],
)
def test_other_path_is_refused(world: World, method: str, path: str, status: int, allowed: str | None) -> None:
    response = world.call(event(method, path))
    assert (response.status, response.headers.get("Allow")) == (status, allowed)


def test_only_the_authorized_route_is_served(world: World) -> None:
    """The caller was authorized for another route than the one that the path resembles."""
    assert world.call(event("GET", PICTURE) | {"routeKey": "$default"}).status == 405


@pytest.mark.parametrize(
    ("body", "field", "problem"),
    [
        ("", "body", "must be JSON"),
        ('{\n  "config": {"credentials_id": "c",}\n}', "body", "at line 2, column "),
        ("[]", "body", "must be a JSON object"),
        ('{"data": {"a": -Infinity}}', "body", "NaN, Infinity"),
        ('{"a": ' + "9" * 5000 + "}", "body", "thousands of digits"),
        ('{"a": ' + "[" * 100_000, "body", "nested too deeply"),
        (json.dumps({"unused": "\ud800", "config": CONFIG}), "body", "lone surrogates"),
        (f'{{"unused": 1e999, "config": {json.dumps(CONFIG)}}}', "body", "too large for a float"),
        ('{"config": [], "data": 1, "nextModule": 2}', "config", "must be a JSON object"),
    ],
)
def test_invalid_body_names_its_field(world: World, body: str, field: str, problem: str) -> None:
    response = world.call(event("POST", IMAGES, HEADERS, body))
    assert response.code == (400, "InvalidRequestError")
    assert response.fields[0] == field
    assert problem in response.body["detail"]
    assert world.step_functions.executions == {}


def filled(size: int, prompt: str = "Un faro") -> str:
    return json.dumps({"config": CONFIG, "data": {"prompt_image": prompt, "filling": "x" * size}})


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"body": filled(190_000)}, 202),
        ({"body": filled(190_000, prompt="p" * 30_000)}, 413),  # the answer repeats the prompt
        ({"body": filled(2_000_000)}, 413),
        ({"body": "no base64!", "isBase64Encoded": True}, 400),
        ({"body": b64encode(b"\xff").decode(), "isBase64Encoded": True}, 400),
        ({"body": b64encode(BODY.encode()).decode(), "isBase64Encoded": True}, 202),
        ({"headers": {}}, 415),
        ({"headers": {"content-type": "application/jsonp"}}, 415),
        ({"headers": {"content-type": "application/json; charset=latin-1"}}, 415),
        ({"headers": HEADERS | {"content-type": 'application/json;charset="utf-8"'}}, 202),
        # sam local keeps the case of a name
        ({"headers": {"CONTENT-TYPE": "Application/JSON; Charset=UTF-8", "Prefer": "respond-async"}}, 202),
    ],
)
def test_body_must_be_short_json_in_utf_8(world: World, changes: dict[str, Any], status: int) -> None:
    assert world.call(event("POST", IMAGES, HEADERS, BODY) | changes).status == status


@pytest.mark.parametrize(
    ("key", "status_in_body"),
    [("k" * 256, 400), ("", 400), ("line\nbreak", 400), ("\x7f", 400), ("pedido-ñ", 202), ("注文", 202)],
)
def test_key_is_checked_in_header_and_body(world: World, key: str, status_in_body: int) -> None:
    """A header cannot hold a key outside ASCII."""
    in_header = world.start(key=key)
    assert (in_header.status, in_header.fields) == (400, ["idempotency_key"])
    assert world.start(key=None, idempotency_key=key).status == status_in_body


def test_key_may_stand_in_header_and_body(world: World) -> None:
    places: list[dict[str, Any]] = [{}, {"key": None, "idempotency_key": "order-1"}, {"idempotency_key": "order-1"}]
    assert {world.start(**place).body["image_id"] for place in places} == {world.image_id()}
    assert len(world.step_functions.executions) == 1
    different = world.start(idempotency_key="order-2")
    assert (different.status, different.fields) == (400, ["idempotency_key"])


@pytest.mark.parametrize(
    ("client", "code"),
    [
        *((same, (202, None)) for same in (1, "1", None)),
        *((another, (403, "ForbiddenError")) for another in (2, "01", 1.0, True, [1], "", 0)),
    ],
)
def test_body_may_only_repeat_the_client(world: World, client: object, code: tuple[int, str | None]) -> None:
    assert world.start(client_id=client).code == code


@pytest.mark.parametrize(
    ("header", "wait", "applied"),
    [
        ("", 25, ""),
        ("WAIT = 10", 10, "wait=10"),
        ('wait="10"', 10, "wait=10"),
        ("wait=0", 0, "wait=0"),
        ("wait=9999999999", 25, "wait=25"),
        ("Respond-Async; why=x", 0, "respond-async"),
        ("wait=1, wait=2, respond-async, respond-async", 1, "respond-async, wait=1"),
        ('handling=lenient, return=minimal; x="a, wait=3"; y, wait=7', 7, "wait=7"),
        (" , ,wait=3,, ", 3, "wait=3"),
        *((malformed, 25, "") for malformed in ("=", ";", '"', 'x="', "respond-async wait=1", "=5", 'x="a, wait=soon')),
    ],
)
def test_preferences_are_read(header: str, wait: int, applied: str) -> None:
    """RFC 7240, section 2: a server ignores what it does not understand."""
    assert parse_prefer(header) == (wait, applied)


@pytest.mark.parametrize(
    "value", ["", "=", "=-1", "=+1", "=1.5", "=soon", "=٣", "=1 0", '="1', '="1;0"', "=" + "9" * 5000]
)
def test_wait_without_a_whole_number_is_refused(value: str) -> None:
    with pytest.raises(InvalidRequestError, match="whole number"):
        parse_prefer(f"wait{value}")
