"""One client with another's token, path or image id: 403 or 404, and not a word of whether there is a picture."""

import pytest

from generate_image.records import Status
from local.lambda_context import LocalContext
from tests.api.conftest import Start
from tests.api.http_client import Answer, HttpClient

OF_CLIENT_1 = {"sub": "somebody", "tenant": "1"}
OF_CLIENT_2 = {"sub": "somebody else", "tenant": "2"}


def told(answer: Answer, image_id: str) -> tuple[int, dict[str, str], str]:
    """Return all of an answer but the id that it repeats."""
    return answer.status, dict(answer.headers), str(answer.body).replace(image_id, "")


@pytest.mark.parametrize("state", ["stored", "failed", "started", "running", "ended"])
def test_another_client_s_image_id_is_as_unknown_as_any(api: HttpClient, state: str) -> None:
    if state == "stored":
        image_id = api.post(key="order-1").image_id
    elif state == "running":
        api.stand_in.latency = 1
        image_id = api.post(key="order-1", prefer="respond-async").image_id
    elif state == "ended":
        missing = {"credentials_id": "missing", "prompt": "Un faro"}
        image_id = api.image_id("order-1")
        api.post(key="order-1", config=missing)
    else:
        error = {"code": "ContentRejectedError", "message": "No."} if state == "failed" else {}
        image_id = api.leave_record("order-1", Status(state), held=True, error=error).image_id
    unknown = api.image_id("nobody's order")

    others = api.get(image_id, client="2")

    assert others.status == 404
    assert told(others, image_id) == told(api.get(unknown, client="2"), unknown)
    assert api.get(image_id).status != 404
    if state == "running":
        api.wait_for(image_id)


def test_another_client_s_key_is_a_key_of_one_s_own(api: HttpClient) -> None:
    first = api.post("Un faro", key="order-1", client="1")
    second = api.post("Un gato", key="order-1", client="2")

    assert (first.status, second.status) == (200, 200)
    assert first.image_id != second.image_id
    assert second.body["_meta_"]["replayed"] is False


@pytest.mark.parametrize("told_client", [2, "2", "01", 1.0, True, [1], {"id": 1}, "", 0, " 1"])
def test_a_body_that_speaks_for_another_client_is_forbidden(api: HttpClient, told_client: object) -> None:
    answer = api.post(client_id=told_client)

    assert (answer.status, answer.body["code"]) == (403, "ForbiddenError")
    assert api.billed() == 0


@pytest.mark.parametrize("told_client", [1, "1", None])
def test_a_body_may_repeat_the_client(api: HttpClient, told_client: object) -> None:
    assert api.post(client_id=told_client).status == 200


def test_a_token_opens_its_own_client_s_path(start_api: Start) -> None:
    api = start_api(JWT_CLIENT_CLAIM="tenant")

    ordered = api.post(claims=OF_CLIENT_1)

    assert ordered.status == 200
    assert api.get(ordered.image_id, claims=OF_CLIENT_1).status == 200


@pytest.mark.parametrize(
    "claims", [OF_CLIENT_2, {}, {"sub": "1"}, {"tenant": ""}, {"tenant": "01"}, {"tenant": "[1 2]"}, None]
)
def test_another_token_or_none_is_forbidden_whatever_is_there(start_api: Start, claims: dict[str, str] | None) -> None:
    api = start_api(JWT_CLIENT_CLAIM="tenant")
    image_id = api.post(key="order-1", claims=OF_CLIENT_1).image_id

    there = api.get(image_id, claims=claims)
    nowhere = api.get(api.image_id("nobody's order"), claims=claims)
    ordered = api.post(key="order-1", claims=claims)

    for answer in (there, nowhere, ordered):
        assert (answer.status, answer.body["code"]) == (403, "ForbiddenError")
    assert there == nowhere == ordered
    assert api.billed() == 1


def test_a_client_named_none_is_not_the_one_without_a_claim(start_api: Start) -> None:
    api = start_api(JWT_CLIENT_CLAIM="tenant")

    assert api.post(client="None", claims={}).status == 403


def test_only_the_route_that_api_gateway_authorized_is_served(api: HttpClient) -> None:
    """A path that looks like a route and came by another is not served: its caller was let in for something else."""
    event = api.gateway.event("GET", f"/clients/1/images/{api.post(key='order-1').image_id}", {}, b"")
    event |= {"routeKey": "$default"}
    del event["pathParameters"]

    assert api.gateway.function(event, LocalContext(30))["statusCode"] == 405
