"""Which requests are served: the route, the authorizer, and the client."""

from typing import Any

import pytest

from generate_image.errors import ConfigurationError
from tests.unit.http.world import IMAGES, World, event

PICTURE = f"{IMAGES}/0f5c2c3e-6d0b-5f86-9a59-3b8d1f0c6a11"
BUDGET = "/clients/1/budget"
BODY = '{"config": {"credentials_id": "openai", "prompt": "Un faro"}}'
HEADERS = {"content-type": "application/json", "prefer": "respond-async"}
ARN = {"iam": {"userArn": "arn:aws:iam::123456789012:user/flow"}}


def jwt(**claims: str) -> dict[str, Any]:
    return {"jwt": {"claims": claims, "scopes": None}}


def codes_of(world: World, authorizer: object, *, client: str = "1") -> list[tuple[int, str | None]]:
    """Return the status and the error of each route, of a wrong method and of an unknown path."""
    requests = [
        event("POST", IMAGES.replace("1", client), HEADERS, BODY, authorizer=authorizer),
        event("GET", PICTURE.replace("/1/", f"/{client}/"), authorizer=authorizer),
        event("GET", BUDGET.replace("1", client), authorizer=authorizer),
        event("PUT", IMAGES, authorizer=authorizer),
        event("PATCH", "/somewhere", authorizer=authorizer),
    ]
    return [world.call(request).code for request in requests]


SERVED = [
    (202, None),
    (404, "ImageNotFoundError"),
    (404, "BudgetNotFoundError"),
    (405, "MethodNotAllowedError"),
    (404, "RouteNotFoundError"),
]
FORBIDDEN = [(403, "ForbiddenError")] * 5


@pytest.mark.parametrize(
    ("kind", "authorizer", "codes"),
    [
        ("none", None, SERVED),
        ("iam", ARN, SERVED),
        ("jwt", jwt(client_id="1"), SERVED),
        ("", None, FORBIDDEN),  # without the setting, the function expects IAM
        ("", jwt(client_id="1"), FORBIDDEN),
        ("iam", {}, FORBIDDEN),
        ("iam", {"iam": None}, FORBIDDEN),
        ("iam", {"iam": {"userArn": ""}}, FORBIDDEN),
        ("iam", {"lambda": {"userArn": "x"}}, FORBIDDEN),
        ("jwt", None, FORBIDDEN),
        ("jwt", ARN, FORBIDDEN),
        ("jwt", {"jwt": {"claims": None}}, FORBIDDEN),
        ("jwt", jwt(), FORBIDDEN),
    ],
)
def test_only_authorized_requests_are_served(
    world: World, kind: str, authorizer: object, codes: list[tuple[int, str | None]]
) -> None:
    world.restart(API_AUTHORIZATION=kind, JWT_CLIENT_CLAIM="client_id" if kind == "jwt" else "")

    assert codes_of(world, authorizer) == codes
    assert len(world.step_functions.executions) == (codes is SERVED)


@pytest.mark.parametrize(
    ("claims", "client"),
    [
        ({"client_id": "2"}, "1"),
        ({"sub": "1"}, "1"),
        ({"client_id": ""}, "1"),
        ({"client_id": "01"}, "1"),
        ({"sub": "1"}, "None"),
    ],
)
def test_token_of_another_client_is_forbidden(world: World, claims: dict[str, str], client: str) -> None:
    world.restart(API_AUTHORIZATION="jwt", JWT_CLIENT_CLAIM="client_id")

    assert codes_of(world, jwt(**claims), client=client)[:3] == FORBIDDEN[:3]
    assert world.step_functions.executions == {}


def test_only_the_authorized_route_is_served(world: World) -> None:
    """The caller was authorized for another route than the one that the path resembles."""
    assert world.call(event("GET", PICTURE) | {"routeKey": "$default"}).status == 405


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("PUT", IMAGES, "POST"), ("OPTIONS", IMAGES, "POST"), ("DELETE", PICTURE, "GET"), ("PUT", BUDGET, "GET")],
)
def test_wrong_method_gets_the_allowed_one(world: World, method: str, path: str, allowed: str) -> None:
    response = world.call(event(method, path))

    assert (response.code, response.headers["Allow"]) == ((405, "MethodNotAllowedError"), allowed)


@pytest.mark.parametrize("path", ["/", "/clients/1", "/clients//images", f"{PICTURE}/x", "/CLIENTS/1/images"])
def test_unknown_path_is_not_found(world: World, path: str) -> None:
    assert world.call(event("PATCH", path)).code == (404, "RouteNotFoundError")


@pytest.mark.parametrize("client", ["..", "a b", "a%2Fb", "ñ", "a" * 65, "%00", "1;x", "*"])
def test_invalid_client_is_a_bad_request(world: World, client: str) -> None:
    assert codes_of(world, None, client=client)[:3] == [(400, "InvalidRequestError")] * 3


@pytest.mark.parametrize("image_id", ["x", PICTURE[-36:].upper(), PICTURE[-36:].replace("-", ""), "..", "%2e"])
def test_invalid_image_id_is_a_bad_request(world: World, image_id: str) -> None:
    response = world.call(event("GET", f"{IMAGES}/{image_id}"))

    assert (response.status, response.fields) == (400, ["image_id"])


def test_event_of_another_source_is_a_problem(world: World) -> None:
    assert world.call({"client_id": 1}).code == (500, "InternalError")


def test_function_needs_a_state_machine() -> None:
    with pytest.raises(ConfigurationError, match="STATE_MACHINE_ARN"):
        World(STATE_MACHINE_ARN="")
