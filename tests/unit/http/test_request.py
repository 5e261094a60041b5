"""A wrong request gets a 4xx problem that names the field. Nothing is started."""

import json
import time
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generate_image.errors import InvalidRequestError
from generate_image.http.request import LONGEST_WAIT_SECONDS, parse_prefer
from tests.unit.http.world import Response, World, event

IMAGES = "/clients/1/images"
CONFIG = {"credentials_id": "openai", "prompt": "Un faro"}
PROBLEM = "application/problem+json"


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def post(world: World, body: str | None, headers: dict[str, str] | None = None, *, is_base64: bool = False) -> Response:
    headers = {"content-type": "application/json", "prefer": "respond-async"} | (headers or {})
    return world.call(event("POST", IMAGES, headers, body) | {"isBase64Encoded": is_base64})


def fields(response: Response) -> list[str]:
    return [error["field"] for error in response.body["errors"]]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (None, "body"),
        ("", "body"),
        ("{", "body"),
        ("[]", "body"),
        ("\ufeff{}", "body"),
        ('{"data": {"a": -Infinity}}', "body"),
        ('{"a": ' + "9" * 5000 + "}", "body"),
        (json.dumps({"unused": "\ud800", "config": CONFIG}), "body"),
        ('{"unused": 1e999, "config": {"credentials_id": "c", "prompt": "p"}}', "body"),
        ('{"config": [], "data": 1, "nextModule": 2}', "config"),
    ],
)
def test_invalid_body_names_its_field(world: World, body: str | None, field: str) -> None:
    response = post(world, body)

    assert (response.status, response.body["code"]) == (400, "InvalidRequestError")
    assert field in fields(response)


@pytest.mark.parametrize("levels", [101, 974, 9_990, 100_000])
def test_deep_nesting_is_a_bad_request(world: World, levels: int) -> None:
    nested = "[" * levels + "]" * levels

    response = post(world, f'{{"config": {json.dumps(CONFIG)}, "unused": {nested}}}')

    assert (response.status, response.body["code"]) == (400, "InvalidRequestError")
    assert "nested" in response.body["detail"]


def test_syntax_error_has_its_position(world: World) -> None:
    response = post(world, '{\n  "config": {"credentials_id": "c",}\n}')

    assert "line 2, column " in response.body["detail"]


@pytest.mark.parametrize(
    "content_type",
    ["", "application/jsonp", "application/json; charset=latin-1"],
)
def test_other_media_type_is_unsupported(world: World, content_type: str) -> None:
    response = post(world, json.dumps({"config": CONFIG}), {"content-type": content_type})

    assert (response.status, response.body["code"]) == (415, "UnsupportedMediaTypeError")


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "application/json"},
        {"CONTENT-TYPE": "Application/JSON; Charset=UTF-8"},
        {"Content-type": 'application/json;charset="utf-8"'},
    ],
)
def test_header_names_have_any_case(headers: dict[str, str]) -> None:
    world = World()
    headers |= {"IDEMPOTENCY-key": "order-1", "PREFER": "Wait=0"}

    response = world.call(event("POST", IMAGES, headers, json.dumps({"config": CONFIG})))

    assert response.body["image_id"] == world.image_id()
    assert response.headers["Preference-Applied"] == "wait=0"


@pytest.mark.parametrize("key", ["k" * 256, "", "tab\there", "line\nbreak", "\x7f"])
def test_invalid_key_is_a_bad_request(world: World, key: str) -> None:
    for response in (world.post(key=key), world.post(key=None, idempotency_key=key)):
        assert response.status == 400
        assert fields(response) == ["idempotency_key"]


@pytest.mark.parametrize("key", ["pedido-ñ", "pedido-Ã±", "注文"])
def test_header_key_outside_ascii_belongs_into_the_body(key: str) -> None:
    world = World()

    in_header = world.post(key=key)
    in_body = world.post(key=None, prefer="respond-async", idempotency_key=key)

    assert (in_header.status, fields(in_header)) == (400, ["idempotency_key"])
    assert "in the body" in in_header.body["detail"]
    assert in_body.status == 202


def test_same_key_in_header_and_body_is_one_key() -> None:
    world = World()
    in_header = world.post(key="order-1", prefer="respond-async")
    in_body = world.post(key=None, idempotency_key="order-1", prefer="respond-async")
    in_both = world.post(key="order-1", idempotency_key="order-1", prefer="respond-async")

    assert {response.body["image_id"] for response in (in_header, in_body, in_both)} == {world.image_id()}
    assert len(world.step_functions.executions) == 1


def test_different_keys_are_a_bad_request(world: World) -> None:
    assert fields(world.post(key="order-1", idempotency_key="order-2")) == ["idempotency_key"]


@pytest.mark.parametrize("client", [2, "2", "01", 1.0, True, [1], {"id": 1}, "", 0, " 1"])
def test_body_of_another_client_is_forbidden(world: World, client: object) -> None:
    response = world.post(client_id=client)

    assert (response.status, response.body["code"]) == (403, "ForbiddenError")


@pytest.mark.parametrize("client", [1, "1", None])
def test_body_may_repeat_the_client(client: object) -> None:
    assert World().post(client_id=client, prefer="respond-async").status == 202


@pytest.mark.parametrize(
    ("body", "status"),
    [("no base64!", 400), ("e30", 400), (b64encode(json.dumps({"config": CONFIG}).encode()).decode(), 202)],
)
def test_base64_body_is_read(body: str, status: int) -> None:
    assert post(World(), body, is_base64=True).status == status


@pytest.mark.parametrize("size", [246_000, 1_000_000])
def test_too_large_request_is_refused(world: World, size: int) -> None:
    response = post(world, json.dumps({"config": CONFIG, "data": {"filling": "x" * size}}))

    assert (response.status, response.body["code"]) == (413, "RequestTooLargeError")


@pytest.mark.parametrize(("prompt", "status"), [("Un faro", 202), ("p" * 30_000, 413)])
def test_prompt_counts_twice(prompt: str, status: int) -> None:
    """The answer repeats it."""
    data = {"prompt_image": prompt, "filling": "x" * 190_000}

    assert post(World(), json.dumps({"config": CONFIG, "data": data})).status == status


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    body=st.one_of(st.none(), st.text(), st.binary().map(lambda content: b64encode(content).decode())),
    headers=st.dictionaries(
        st.sampled_from(["content-type", "Content-Type", "PREFER", "idempotency-key", "x"]),
        st.one_of(st.text(), st.sampled_from(["application/json", "wait=1", "respond-async", "order-1"])),
    ),
    client=st.one_of(st.text(), st.just("1")),
    is_base64=st.booleans(),
)
def test_arbitrary_text_gets_a_4xx(
    world: World, body: str | None, headers: dict[str, str], client: str, *, is_base64: bool
) -> None:
    request: dict[str, Any] = event("POST", IMAGES, headers, body)
    request |= {"isBase64Encoded": is_base64, "pathParameters": {"client_id": client}}

    response = world.call(request)

    assert response.status in (400, 413, 415)
    assert response.headers["Content-Type"] == PROBLEM


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
    ],
)
def test_preferences_are_read(header: str, wait: int, applied: str) -> None:
    assert parse_prefer(header) == (wait, applied)


@pytest.mark.parametrize("header", ["=", ";", '"', 'x="', "respond-async wait=1", "=5", 'x="a, wait=soon', "\x01"])
def test_malformed_preference_is_ignored(header: str) -> None:
    """RFC 7240, section 2: a server ignores what it does not understand."""
    assert parse_prefer(header) == (LONGEST_WAIT_SECONDS, "")


@pytest.mark.parametrize(
    "value", ["", "=", "=-1", "=+1", "=1.5", "=1e1", "=soon", "=٣", "=1 0", '="1', '=1"', '="1;0"', "=" + "9" * 5000]
)
def test_wait_without_a_whole_number_is_refused(value: str) -> None:
    with pytest.raises(InvalidRequestError, match="whole number"):
        parse_prefer(f"wait{value}")


@pytest.mark.parametrize("unit", [" ", "; b = ", '"', 'a,"'])
def test_long_header_is_read_in_linear_time(unit: str) -> None:
    started = time.process_time()

    parse_prefer("a" + unit * (100_000 // len(unit)) + "\x01")

    assert time.process_time() - started < 2
