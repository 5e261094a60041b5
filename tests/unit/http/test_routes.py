"""Which requests are served: the route, the authorizer, and the client."""

from typing import Any

import pytest

from generate_image.errors import ConfigurationError
from tests.unit.http.world import IMAGES, World, event

ID = "0f5c2c3e-6d0b-5f86-9a59-3b8d1f0c6a11"
PICTURE = f"{IMAGES}/{ID}"
BUDGET = "/clients/1/budget"
BODY = '{"config": {"credentials_id": "openai", "prompt": "Un faro"}}'
HEADERS = {"content-type": "application/json", "prefer": "respond-async"}
ARN = {"iam": {"userArn": "arn:aws:iam::123456789012:user/flow"}}


def jwt(**claims: str) -> dict[str, Any]:
    return {"jwt": {"claims": claims, "scopes": None}}


SERVED = [
    (202, None),
    (404, "ImageNotFoundError"),
    (404, "BudgetNotFoundError"),
    (405, "MethodNotAllowedError"),
    (404, "RouteNotFoundError"),
]
FORBIDDEN = [(403, "ForbiddenError")] * 5
TOKEN_OF_ANOTHER = FORBIDDEN[:3] + SERVED[3:]


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
        ("jwt", jwt(client_id="2"), TOKEN_OF_ANOTHER),
        ("jwt", jwt(client_id="01"), TOKEN_OF_ANOTHER),
        ("jwt", jwt(client_id=""), TOKEN_OF_ANOTHER),
        ("jwt", jwt(sub="1"), TOKEN_OF_ANOTHER),
    ],
)
def test_only_authorized_requests_are_served(
    world: World, kind: str, authorizer: object, codes: list[tuple[int, str | None]]
) -> None:
    world.restart(API_AUTHORIZATION=kind, JWT_CLIENT_CLAIM="client_id" if kind == "jwt" else "")
    requests = [
        event("POST", IMAGES, HEADERS, BODY),
        event("GET", PICTURE),
        event("GET", BUDGET),
        event("PUT", IMAGES),
        event("PATCH", "/somewhere"),
    ]
    for request in requests:
        request["requestContext"]["authorizer"] = authorizer

    assert [world.call(request).code for request in requests] == codes
    assert len(world.step_functions.executions) == (codes is SERVED)


@pytest.mark.parametrize(
    ("method", "path", "status", "allowed"),
    [
        ("PUT", IMAGES, 405, "POST"),
        ("OPTIONS", IMAGES, 405, "POST"),
        ("DELETE", PICTURE, 405, "GET"),
        ("PUT", BUDGET, 405, "GET"),
        *(("PATCH", path, 404, None) for path in ("/", "/clients//images", f"{PICTURE}/x", "/CLIENTS/1/images")),
    ],
)
def test_other_method_or_path_is_refused(
    world: World, method: str, path: str, status: int, allowed: str | None
) -> None:
    response = world.call(event(method, path))
    assert (response.status, response.headers.get("Allow")) == (status, allowed)


def test_only_the_authorized_route_is_served(world: World) -> None:
    """The caller was authorized for another route than the one that the path resembles."""
    assert world.call(event("GET", PICTURE) | {"routeKey": "$default"}).status == 405


@pytest.mark.parametrize(
    ("field", "path"),
    [
        *(("client_id", f"/clients/{client}/budget") for client in ("..", "a%2Fb", "ñ", "a" * 65, "%00", "1;x", "*")),
        *(("image_id", f"{IMAGES}/{name}") for name in ("x", ID.upper(), ID.replace("-", ""), "..", "%2e")),
    ],
)
def test_invalid_part_of_the_path_is_a_bad_request(world: World, field: str, path: str) -> None:
    response = world.call(event("GET", path))
    assert (response.code, response.fields) == ((400, "InvalidRequestError"), [field])


def test_function_needs_a_state_machine(world: World) -> None:
    with pytest.raises(ConfigurationError, match="STATE_MACHINE_ARN"):
        world.restart(STATE_MACHINE_ARN="")
