"""Which requests are served: the route, the authorizer, and the client."""

from collections.abc import Mapping
from typing import Any

import pytest

from generate_image.errors import ConfigurationError
from tests.unit.http.world import World, event

SOME_ID = "0f5c2c3e-6d0b-5f86-9a59-3b8d1f0c6a11"
IMAGES = "/clients/1/images"
BUDGET = "/clients/1/budget"
BODY = '{"config": {"credentials_id": "openai", "prompt": "Un faro"}}'
JSON = {"content-type": "application/json", "prefer": "respond-async"}
ARN = {"iam": {"userArn": "arn:aws:iam::123456789012:user/flow"}}
CLIENT_1 = {"jwt": {"claims": {"sub": "somebody", "client_id": "1"}, "scopes": None}}


@pytest.fixture
def world() -> World:
    return World()


def requests(authorizer: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    return [
        event("POST", IMAGES, JSON, BODY, authorizer=authorizer),
        event("GET", f"{IMAGES}/{SOME_ID}", authorizer=authorizer),
        event("GET", BUDGET, authorizer=authorizer),
        event("PUT", IMAGES, authorizer=authorizer),
        event("PATCH", "/somewhere", authorizer=authorizer),
    ]


@pytest.mark.parametrize(
    ("kind", "authorizer"),
    [
        (None, None),
        (None, CLIENT_1),
        ("iam", None),
        ("iam", {}),
        ("iam", {"iam": None}),
        ("iam", {"iam": {"userArn": ""}}),
        ("iam", {"lambda": {"userArn": "x"}}),
        ("jwt", None),
        ("jwt", ARN),
        ("jwt", {"jwt": {"claims": None}}),
        ("jwt", {"jwt": {"claims": {}}}),
    ],
)
def test_request_without_an_authorizer_is_forbidden(
    world: World, kind: str | None, authorizer: Mapping[str, Any] | None
) -> None:
    """Without the setting, the function expects IAM."""
    world.restart(API_AUTHORIZATION=kind or "")

    for request in requests(authorizer):
        response = world.call(request)
        assert (response.status, response.body["code"]) == (403, "ForbiddenError")
    assert world.step_functions.executions == {}
    assert world.step_functions.described == []


@pytest.mark.parametrize(("kind", "authorizer"), [("iam", ARN), ("jwt", CLIENT_1), ("none", None)])
def test_authorized_request_is_served(world: World, kind: str, authorizer: Mapping[str, Any] | None) -> None:
    world.restart(API_AUTHORIZATION=kind, JWT_CLIENT_CLAIM="client_id" if kind == "jwt" else "")

    assert [world.call(request).status for request in requests(authorizer)] == [202, 404, 404, 405, 404]


@pytest.mark.parametrize("claims", [{"client_id": "2"}, {"sub": "1"}, {"client_id": ""}, {"client_id": "01"}])
def test_token_of_another_client_is_forbidden(world: World, claims: Mapping[str, str]) -> None:
    world.restart(API_AUTHORIZATION="jwt", JWT_CLIENT_CLAIM="client_id")
    authorizer = {"jwt": {"claims": claims}}

    responses = [world.call(request) for request in requests(authorizer)[:3]]

    assert [response.body["code"] for response in responses] == ["ForbiddenError"] * 3
    assert world.step_functions.executions == {}


def test_client_named_none_needs_its_claim(world: World) -> None:
    world.restart(API_AUTHORIZATION="jwt", JWT_CLIENT_CLAIM="client_id")
    authorizer = {"jwt": {"claims": {"sub": "somebody"}}}

    assert world.call(event("POST", "/clients/None/images", JSON, BODY, authorizer=authorizer)).status == 403


def test_only_the_authorized_route_is_served(world: World) -> None:
    """The caller was authorized for another route than the one that the path resembles."""
    request = event("GET", f"{IMAGES}/{SOME_ID}") | {"routeKey": "$default"}

    assert world.call(request).status == 405


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", IMAGES, "POST"),
        ("OPTIONS", IMAGES, "POST"),
        ("DELETE", f"{IMAGES}/{SOME_ID}", "GET"),
        ("PUT", BUDGET, "GET"),
    ],
)
def test_other_method_is_answered_with_the_right_one(world: World, method: str, path: str, allowed: str) -> None:
    response = world.call(event(method, path))

    assert (response.status, response.body["code"]) == (405, "MethodNotAllowedError")
    assert response.headers["Allow"] == allowed


@pytest.mark.parametrize("path", ["/", "/clients/1", "/clients//images", f"{IMAGES}/{SOME_ID}/x", "/CLIENTS/1/images"])
def test_unknown_path_is_not_found(world: World, path: str) -> None:
    assert world.call(event("PATCH", path)).body["code"] == "RouteNotFoundError"


@pytest.mark.parametrize("client", ["..", "a b", "a%2Fb", "ñ", "a" * 65, "%00", "1;x", "*"])
def test_invalid_client_is_a_bad_request(world: World, client: str) -> None:
    for request in (
        event("POST", f"/clients/{client}/images", JSON, BODY),
        event("GET", f"/clients/{client}/images/{SOME_ID}"),
        event("GET", f"/clients/{client}/budget"),
    ):
        response = world.call(request)
        assert response.status == 400
        assert [error["field"] for error in response.body["errors"]] == ["client_id"]


@pytest.mark.parametrize("image_id", ["x", SOME_ID.upper(), SOME_ID.replace("-", ""), f"{{{SOME_ID}}}", "..", "%2e"])
def test_invalid_image_id_is_a_bad_request(world: World, image_id: str) -> None:
    response = world.call(event("GET", f"{IMAGES}/{image_id}"))

    assert response.status == 400
    assert [error["field"] for error in response.body["errors"]] == ["image_id"]


def test_event_of_another_source_is_a_problem(world: World) -> None:
    response = world.call({"client_id": 1})

    assert (response.status, response.body["code"]) == (500, "InternalError")


def test_function_needs_a_state_machine() -> None:
    with pytest.raises(ConfigurationError, match="STATE_MACHINE_ARN"):
        World(STATE_MACHINE_ARN="")
