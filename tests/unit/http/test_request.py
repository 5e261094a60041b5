"""A wrong request gets a 4xx problem that names the field. Nothing is started."""

import json
from base64 import b64encode
from typing import Any

import pytest

from generate_image.errors import InvalidRequestError
from generate_image.http.waiting import parse_prefer
from tests.unit.http.world import IMAGES, Response, World, event

CONFIG = {"credentials_id": "openai", "prompt": "Un faro"}
BODY = json.dumps({"config": CONFIG})
HEADERS = {"content-type": "application/json", "prefer": "respond-async"}


def post(world: World, body: str, **changes: Any) -> Response:  # noqa: ANN401  # of the event
    return world.call(event("POST", IMAGES, HEADERS, body) | changes)


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
    response = post(world, body)

    assert response.code == (400, "InvalidRequestError")
    assert response.fields[0] == field
    assert problem in response.body["detail"]
    assert world.step_functions.executions == {}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("no base64!", 400),
        (b64encode(b"\xff").decode(), 400),
        ("e30", 400),
        (b64encode(BODY.encode()).decode(), 202),
    ],
)
def test_base64_body_is_read(world: World, body: str, status: int) -> None:
    assert post(world, body, isBase64Encoded=True).status == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 415),
        ({"content-type": "application/jsonp"}, 415),
        ({"content-type": "application/json; charset=latin-1"}, 415),
        ({"content-type": 'application/json;charset="utf-8"'}, 202),
        ({"CONTENT-TYPE": "Application/JSON; Charset=UTF-8"}, 202),  # sam local keeps the case of a name
    ],
)
def test_body_needs_a_json_type(world: World, headers: dict[str, str], status: int) -> None:
    assert post(world, BODY, headers={"Prefer": "respond-async", **headers}).status == status


@pytest.mark.parametrize("key", ["k" * 256, "", "tab\there", "line\nbreak", "\x7f"])
def test_invalid_key_is_a_bad_request(world: World, key: str) -> None:
    for response in (world.post(key=key), world.post(key=None, idempotency_key=key)):
        assert (response.status, response.fields) == (400, ["idempotency_key"])


@pytest.mark.parametrize("key", ["pedido-ñ", "pedido-Ã±", "注文"])
def test_header_key_outside_ascii_belongs_into_the_body(world: World, key: str) -> None:
    in_header = world.start(key=key)
    in_body = world.start(key=None, idempotency_key=key)

    assert (in_header.status, in_header.fields) == (400, ["idempotency_key"])
    assert "in the body" in in_header.body["detail"]
    assert (in_body.status, in_body.body["image_id"]) == (202, world.image_id(key))


def test_key_may_stand_in_header_and_body(world: World) -> None:
    responses = [
        world.start(),
        world.start(key=None, idempotency_key="order-1"),
        world.start(idempotency_key="order-1"),
    ]
    different = world.start(idempotency_key="order-2")

    assert {response.body["image_id"] for response in responses} == {world.image_id()}
    assert len(world.step_functions.executions) == 1
    assert (different.status, different.fields) == (400, ["idempotency_key"])


@pytest.mark.parametrize("client", [2, "2", "01", 1.0, True, [1], {"id": 1}, "", 0, " 1"])
def test_body_of_another_client_is_forbidden(world: World, client: object) -> None:
    assert world.start(client_id=client).code == (403, "ForbiddenError")


@pytest.mark.parametrize("client", [1, "1", None])
def test_body_may_repeat_the_client(world: World, client: object) -> None:
    assert world.start(client_id=client).status == 202


@pytest.mark.parametrize(
    ("prompt", "filling", "status"),
    [
        ("Un faro", 190_000, 202),
        ("p" * 30_000, 190_000, 413),  # the answer repeats the prompt
        ("Un faro", 246_000, 413),
        ("Un faro", 2_000_000, 413),
    ],
)
def test_too_large_request_is_refused(world: World, prompt: str, filling: int, status: int) -> None:
    data = {"prompt_image": prompt, "filling": "x" * filling}

    assert post(world, json.dumps({"config": CONFIG, "data": data})).status == status


@pytest.mark.parametrize(
    ("header", "wait", "applied"),
    [
        ("", 25, ""),
        ("wait=10", 10, "wait=10"),
        ("WAIT = 10", 10, "wait=10"),
        ('wait="10"', 10, "wait=10"),
        ("wait=0", 0, "wait=0"),
        ("wait=9999999999", 25, "wait=25"),
        ("respond-async", 0, "respond-async"),
        ("respond-async, wait=10", 10, "respond-async, wait=10"),
        ("Respond-Async; why=x", 0, "respond-async"),
        ("wait=5;x", 5, "wait=5"),
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
