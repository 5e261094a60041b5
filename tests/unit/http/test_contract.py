"""openapi.yaml is valid, describes every error, and describes the API's responses to generated requests."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from openapi_schema_validator import OAS30Validator
from openapi_spec_validator import OpenAPIV30SpecValidator, validate
from requests import Request
from schemathesis.core.transport import Response
from schemathesis.specs.openapi.checks import positive_data_acceptance

from generate_image.errors import ERRORS_BY_CODE, ContentRejectedError, HttpError
from local.gateway import Gateway
from tests.contract import CONTRACT, resolved
from tests.unit.http.world import World

ERRORS = {error.__name__: error for error in [*ERRORS_BY_CODE.values(), *HttpError.__subclasses__()]}
OF_DEFAULT_ROUTE = {"RouteNotFoundError", "MethodNotAllowedError"}
OUTSIDE_OF_SCHEMAS = {
    "BudgetNotFoundError",
    "ContentRejectedError",
    "ForbiddenError",
    "IdempotencyKeyReusedError",
    "ImageNotFoundError",
    "RateLimitedError",
}
"""The errors of requests that match the schemas."""
FIELDS_OUTSIDE_OF_SCHEMAS = {"Prefer", "body", "event", "config", "data", "idempotency_key", "prompt"}
"""Fields with a rule that no schema states: ``wait=soon``, lone surrogates, one prompt of three, two different keys."""
IN_PROCESS = "http://api.example"


def test_contract_is_valid_openapi() -> None:
    validate(CONTRACT, cls=OpenAPIV30SpecValidator)


def test_contract_has_every_error_and_no_other() -> None:
    assert set(CONTRACT["components"]["schemas"]["ErrorCode"]["enum"]) == ERRORS.keys()


@pytest.mark.parametrize("code", sorted(ERRORS.keys() - OF_DEFAULT_ROUTE - {"ForbiddenError"}))
def test_status_of_every_error_names_it(code: str) -> None:
    operations = [path[method] for path in CONTRACT["paths"].values() for method in ("get", "post") if method in path]
    responses = [resolved(operation["responses"].get(str(ERRORS[code].status), {})) for operation in operations]

    assert any(code in response.get("description", "") for response in responses)


def examples_of(part: object) -> Iterator[tuple[Any, Any]]:
    """Yield each example in a part of the contract, with its schema."""
    if isinstance(part, list):
        for item in part:
            yield from examples_of(item)
    elif isinstance(part, dict):
        schema = part.get("schema", part)
        yield from ((example["value"], schema) for example in part.get("examples", {}).values())
        if "example" in part:
            yield part["example"], schema
        yield from examples_of(list(part.values()))


def test_every_example_matches_its_schema() -> None:
    examples = list(examples_of(CONTRACT))

    for example, schema in examples:
        OAS30Validator(resolved(schema)).validate(example)
    assert len(examples) >= 15


def without_authorization() -> dict[str, Any]:
    """Return the contract for requests that an authorizer has accepted."""
    contract = deepcopy(CONTRACT)
    for path in contract["paths"].values():
        for method in {"get", "post"} & path.keys():
            del path[method]["security"]
    return contract


schema = schemathesis.openapi.from_dict(without_authorization())


def examples(number: int) -> settings:
    return settings(max_examples=number, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def gateway() -> Gateway:
    """The API. Every execution ends in an error at once."""
    world = World()
    world.fail_every_start(ContentRejectedError("The moderation rejected the prompt."))
    return Gateway(CONTRACT, world.invoke)


@schema.include(method=["GET", "POST"]).parametrize()
@examples(25)
def test_requests_match_the_contract(case: "schemathesis.Case[Any]", gateway: Gateway) -> None:
    assert_response_in_contract(case, gateway)


@pytest.mark.slow
@schema.include(method=["GET", "POST"]).parametrize()
@examples(1000)
def test_many_requests_match_the_contract(case: "schemathesis.Case[Any]", gateway: Gateway) -> None:
    assert_response_in_contract(case, gateway)


def assert_response_in_contract(case: "schemathesis.Case[Any]", gateway: Gateway) -> None:
    """Check a response. A request that matches the schemas is refused only by rules that no schema states."""
    sent = Request(**case.as_transport_kwargs(base_url=IN_PROCESS)).prepare()
    body = sent.body.encode() if isinstance(sent.body, str) else sent.body or b""
    received = gateway.answer(str(sent.method), str(sent.url).removeprefix(IN_PROCESS), {**sent.headers}, body)
    headers = {name: [value] for name, value in received.headers.items()}
    response = Response(received.status, headers, received.body, sent, elapsed=0.0, verify=False)
    case.validate_response(response, excluded_checks=[positive_data_acceptance])
    is_positive = case.meta is not None and case.meta.generation.mode is schemathesis.GenerationMode.POSITIVE
    if is_positive and response.status_code >= 400:
        problem = response.json()
        unexpected = [error for error in problem.get("errors", []) if "did you mean" not in error["problem"]]
        assert {error["field"].partition(".")[0] for error in unexpected} <= FIELDS_OUTSIDE_OF_SCHEMAS
        assert problem["code"] in OUTSIDE_OF_SCHEMAS | {"InvalidRequestError"}
