"""What is wrong with a request gets the right 4xx problem, and nothing is started or bought."""

import base64
import json
import time
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.account import CREDENTIALS_ID, Account
from local.http_api import http_api
from local.lambda_context import LocalContext
from local.openai_stand_in import StandIn
from tests.api.http_client import PROBLEM, Answer, HttpClient

IMAGES = "/clients/1/images"
JSON = {"Content-Type": "application/json"}
EVENT = {"config": {"credentials_id": CREDENTIALS_ID, "prompt": "Un faro"}}
BODY = json.dumps(EVENT).encode()
SOME_ID = "0f5c2c3e-6d0b-5f86-9a59-3b8d1f0c6a11"


@pytest.fixture(scope="module")
def api(running_account: Account, running_stand_in: StandIn) -> Iterator[HttpClient]:
    """One API for all of these tests: it is to do nothing."""
    running_stand_in.reset()
    running_account.empty()
    log = StringIO()
    with http_api(running_account, running_account.settings, log, sleep=time.sleep) as gateway:
        client = HttpClient(gateway, running_account, running_stand_in, log)
        yield client
        assert running_stand_in.ledger()["requests"] == 0
        step_functions = running_account.session().client("stepfunctions", endpoint_url=running_account.endpoint)
        [machine] = step_functions.list_state_machines()["stateMachines"]
        assert step_functions.list_executions(stateMachineArn=machine["stateMachineArn"])["executions"] == []


def assert_problem(answer: Answer, status: int, code: str) -> None:
    assert (answer.status, answer.body["status"], answer.body["code"]) == (status, status, code)
    assert answer.headers["Content-Type"] == PROBLEM
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.body["type"] == "about:blank"
    assert answer.body["detail"]
    assert answer.body["retryable"] is False
    assert "Retry-After" not in answer.headers


def fields(answer: Answer) -> list[str]:
    return [error["field"] for error in answer.body["errors"]]


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (b"", "body"),
        (b"{", "body"),
        (b"not json", "body"),
        (b"[]", "body"),
        (b"7", "body"),
        (b"null", "body"),
        (b'"text"', "body"),
        (b"\xff\xfe{}", "body"),
        (b"\xef\xbb\xbf{}", "body"),
        (b'{"data": NaN}', "body"),
        (b'{"data": {"a": -Infinity}}', "body"),
        (b"[" * 100_000, "body"),
        (b'{"a": ' + b"9" * 5000 + b"}", "body"),
        (b'{"unused": "\\ud800", "config": {"credentials_id": "c", "prompt": "p"}}', "body"),
        (b'{"unused": 1e999, "config": {"credentials_id": "c", "prompt": "p"}}', "body"),
        (b'{"config": {"credentials_id": "c", "prompt": "\\ud800"}}', "event"),
        (b"{}", "config.credentials_id"),
        (b'{"config": [], "data": 1, "nextModule": 2}', "config"),
        (b'{"config": {"credentials_id": "../x", "prompt": "p"}}', "config.credentials_id"),
        (b'{"config": {"credentials_id": "c", "prompt": " "}}', "prompt"),
    ],
)
def test_a_body_that_is_no_event_is_a_bad_request(api: HttpClient, content: bytes, field: str) -> None:
    answer = api.send("POST", IMAGES, content, JSON)

    assert_problem(answer, 400, "InvalidRequestError")
    assert field in fields(answer)


def test_all_problems_of_an_event_are_listed_at_once(api: HttpClient) -> None:
    answer = api.send("POST", IMAGES, b'{"config": 1, "data": 2, "nextModule": 3, "idempotency_key": 4}', JSON)

    assert_problem(answer, 400, "InvalidRequestError")
    wanted = ["config", "config.credentials_id", "data", "prompt", "idempotency_key", "nextModule"]
    assert fields(answer) == wanted


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonp",
        "application/json; charset=latin-1",
        "multipart/form-data; boundary=x",
        "application/merge-patch+json",
    ],
)
def test_a_body_that_is_not_said_to_be_json_is_an_unsupported_media_type(
    api: HttpClient, content_type: str | None
) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}

    assert_problem(api.send("POST", IMAGES, BODY, headers), 415, "UnsupportedMediaTypeError")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", IMAGES, "POST"),
        ("PUT", IMAGES, "POST"),
        ("DELETE", IMAGES, "POST"),
        ("OPTIONS", IMAGES, "POST"),
        ("POST", f"{IMAGES}/{SOME_ID}", "GET"),
        ("HEAD", f"{IMAGES}/{SOME_ID}", "GET"),
        ("DELETE", f"{IMAGES}/{SOME_ID}", "GET"),
    ],
)
def test_another_method_is_not_allowed_and_the_right_one_is_told(
    api: HttpClient, method: str, path: str, allowed: str
) -> None:
    answer = api.send(method, path, BODY, JSON)

    assert_problem(answer, 405, "MethodNotAllowedError")
    assert answer.headers["Allow"] == allowed


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/clients",
        "/clients/1",
        "/clients/1/images/",
        "/clients//images",
        f"{IMAGES}/{SOME_ID}/x",
        "/CLIENTS/1/images",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH"])
def test_an_unknown_path_is_not_found(api: HttpClient, method: str, path: str) -> None:
    answer = api.send(method, path, BODY, JSON)

    assert_problem(answer, 404, "RouteNotFoundError")


@pytest.mark.parametrize("client", ["..", "a b", "a%2Fb", "ñ", "a" * 65, "%00", "1;x", "*"])
def test_a_client_that_cannot_be_one_is_a_bad_request(api: HttpClient, client: str) -> None:
    for answer in (
        api.send("POST", f"/clients/{client}/images", BODY, JSON),
        api.send("GET", f"/clients/{client}/images/{SOME_ID}"),
    ):
        assert_problem(answer, 400, "InvalidRequestError")
        assert fields(answer) == ["client_id"]


@pytest.mark.parametrize(
    "image_id", ["x", "1", SOME_ID.upper(), SOME_ID.replace("-", ""), f"{{{SOME_ID}}}", "..", "%2e%2e"]
)
def test_an_image_id_that_cannot_be_one_is_a_bad_request(api: HttpClient, image_id: str) -> None:
    answer = api.send("GET", f"{IMAGES}/{image_id}")

    assert_problem(answer, 400, "InvalidRequestError")
    assert fields(answer) == ["image_id"]


@pytest.mark.parametrize(
    "prefer", ["wait=soon", "wait", "wait=-1", "wait=1.5", "respond-async wait=1", '"', "=5", "wait=5,,;"]
)
def test_a_preference_that_says_nothing_is_a_bad_request(api: HttpClient, prefer: str) -> None:
    answer = api.post(prefer=prefer)

    assert_problem(answer, 400, "InvalidRequestError")
    assert fields(answer) == ["Prefer"]


@pytest.mark.parametrize("key", ["k" * 300, "k" * 256, "", "tab\there", "line\nbreak", "\x7f"])
def test_a_key_that_cannot_be_one_is_a_bad_request(api: HttpClient, key: str) -> None:
    for answer in (api.post(key=key), api.post(idempotency_key=key)):
        assert_problem(answer, 400, "InvalidRequestError")
        assert fields(answer) == ["idempotency_key"]


def test_keys_that_differ_between_header_and_body_are_a_bad_request(api: HttpClient) -> None:
    answer = api.post(key="order-1", idempotency_key="order-2")

    assert_problem(answer, 400, "InvalidRequestError")
    assert fields(answer) == ["idempotency_key"]


@pytest.mark.parametrize("body", ["no base64!", "e30", base64.b64encode(b"[1]").decode()])
def test_a_body_in_base64_that_is_none_is_a_bad_request(api: HttpClient, body: str) -> None:
    event = api.gateway.event("POST", IMAGES, JSON, BODY) | {"body": body, "isBase64Encoded": True}

    told = call(api, event)

    assert told["statusCode"] == 400
    assert json.loads(told["body"])["code"] == "InvalidRequestError"


@pytest.mark.parametrize("size", [10_000_000, 10 * 1024 * 1024, 300_000, 246_000])
def test_more_than_can_be_answered_is_too_large_for_the_function(api: HttpClient, size: int) -> None:
    event = api.gateway.event("POST", IMAGES, JSON, b"")
    event["body"] = json.dumps({**EVENT, "data": {"filling": "x" * size}})

    told = call(api, event)

    assert told["statusCode"] == 413
    assert json.loads(told["body"])["code"] == "RequestTooLargeError"


def test_a_prompt_that_the_answer_repeats_counts_twice(api: HttpClient) -> None:
    prompt = "p" * 30_000
    filling = {"prompt_image": prompt, "filling": "x" * 190_000}

    answer = api.post(data=filling)

    assert_problem(answer, 413, "RequestTooLargeError")


@pytest.mark.parametrize("size", [10 * 1024 * 1024 + 1, 7 * 1024 * 1024])
def test_what_api_gateway_or_lambda_does_not_take_is_refused_by_the_gateway(api: HttpClient, size: int) -> None:
    answer = api.send("POST", IMAGES, b"x" * size, JSON)

    assert (answer.status, answer.body) == (413, {"message": "Request Entity Too Large"})


def test_an_event_that_is_none_of_api_gateway_s_is_a_problem_and_no_exception(api: HttpClient) -> None:
    told = call(api, {"client_id": 1})

    assert told["statusCode"] == 500
    assert json.loads(told["body"])["code"] == "ConfigurationError"


@settings(max_examples=3000, deadline=None)
@given(
    body=st.one_of(st.none(), st.text(), st.binary().map(lambda content: base64.b64encode(content).decode())),
    headers=st.dictionaries(
        st.sampled_from(["content-type", "Content-Type", "PREFER", "idempotency-key", "x"]),
        st.one_of(st.text(), st.sampled_from(["application/json", "wait=1", "respond-async", "order-1"])),
    ),
    client=st.one_of(st.text(), st.just("1")),
    is_base64=st.booleans(),
)
def test_no_text_whatever_gets_anything_but_a_4xx(
    api: HttpClient, body: str | None, headers: dict[str, str], client: str, *, is_base64: bool
) -> None:
    event = api.gateway.event("POST", IMAGES, {}, b"") | {"headers": headers, "isBase64Encoded": is_base64}
    event |= {"body": body, "pathParameters": {"client_id": client}}

    told = call(api, event)

    assert told["statusCode"] in (400, 413, 415)
    assert told["headers"]["Content-Type"] == PROBLEM
    json.loads(told["body"])


def call(api: HttpClient, event: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = api.gateway.function(event, LocalContext(30))
    return told
