"""What is odd and right about a request is taken."""

import base64
import json

import pytest

from local.account import CREDENTIALS_ID
from local.lambda_context import LocalContext
from tests.api.http_client import HttpClient

IMAGES = "/clients/1/images"
JSON = {"Content-Type": "application/json"}
BODY = json.dumps({"config": {"credentials_id": CREDENTIALS_ID, "prompt": "Un faro"}}).encode()


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "application/json"},
        {"CONTENT-TYPE": "Application/JSON; Charset=UTF-8"},
        {"Content-type": 'application/json;charset="utf-8"'},
    ],
)
def test_header_names_and_media_types_are_taken_in_any_case(api: HttpClient, headers: dict[str, str]) -> None:
    assert api.send("POST", IMAGES, BODY, headers).status == 200


def test_the_key_and_the_preference_are_taken_from_headers_in_any_case(api: HttpClient) -> None:
    headers = {"content-TYPE": "application/json", "IDEMPOTENCY-key": "order-1", "PREFER": "Wait=20"}

    answer = api.send("POST", IMAGES, BODY, headers)

    assert answer.image_id == api.image_id("order-1")
    assert answer.headers["Preference-Applied"] == "wait=20"


def test_the_longest_key_is_taken(api: HttpClient) -> None:
    assert api.post(key="k" * 255).image_id == api.image_id("k" * 255)


def test_the_same_key_in_header_and_body_is_one_key(api: HttpClient) -> None:
    in_header = api.post(key="order-1")
    in_body = api.post(idempotency_key="order-1")
    in_both = api.post(key="order-1", idempotency_key="order-1")

    assert {in_header.image_id, in_body.image_id, in_both.image_id} == {api.image_id("order-1")}
    assert api.billed() == 1


def test_requests_without_a_key_are_different_pictures(api: HttpClient) -> None:
    first, second = api.post(), api.post()

    assert first.image_id != second.image_id
    assert first.headers["Content-Location"] == f"{IMAGES}/{first.image_id}"
    assert api.get(first.image_id).status == 200
    assert api.billed() == 2


def test_a_body_in_base64_is_read(api: HttpClient) -> None:
    event = api.gateway.event("POST", IMAGES, JSON, BODY)
    event |= {"body": base64.b64encode(BODY).decode(), "isBase64Encoded": True}

    told = api.gateway.function(event, LocalContext(30))

    assert told["statusCode"] == 200


def test_the_most_that_can_be_answered_is_answered(api: HttpClient) -> None:
    data = {"prompt_image": "Un faro", "filling": "x" * 240_000}

    answer = api.post(data=data)

    assert answer.status == 200
    assert answer.body["data"]["filling"] == data["filling"]
    assert api.get(answer.image_id).body["data"]["filling"] == data["filling"]
