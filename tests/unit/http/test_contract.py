"""openapi.yaml is valid, describes every error, and describes the API's responses to generated requests."""

import copy
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from openapi_schema_validator import OAS30Validator
from openapi_spec_validator import OpenAPIV30SpecValidator, validate
from requests import Request
from schemathesis.core.transport import Response

from generate_image.errors import ERRORS_BY_CODE, ContentRejectedError, HttpError
from local.gateway import Gateway
from tests.contract import CONTRACT, resolved
from tests.unit.http.world import World

ERRORS = {error.__name__: error for error in [*ERRORS_BY_CODE.values(), *HttpError.__subclasses__()]}
OF_DEFAULT_ROUTE = {"RouteNotFoundError", "MethodNotAllowedError"}
IN_PROCESS = "http://api.example"


def test_contract_is_valid_openapi() -> None:
    validate(CONTRACT, cls=OpenAPIV30SpecValidator)


def test_contract_has_every_error_and_no_other() -> None:
    assert set(CONTRACT["components"]["schemas"]["ErrorCode"]["enum"]) == ERRORS.keys()


@pytest.mark.parametrize("code", sorted(ERRORS.keys() - OF_DEFAULT_ROUTE))
def test_status_of_every_error_is_described(code: str) -> None:
    status = str(ERRORS[code].status)
    described = [
        resolved(operation["responses"][status])["description"]
        for path in CONTRACT["paths"].values()
        for method, operation in path.items()
        if method in ("get", "post") and status in operation["responses"]
    ]

    assert described
    assert code == "ForbiddenError" or any(code in description for description in described)


def test_every_example_matches_its_schema() -> None:
    checked = 0

    def check(part: Any) -> None:  # noqa: ANN401  # a part of the contract
        nonlocal checked
        if isinstance(part, list):
            for item in part:
                check(item)
        elif isinstance(part, dict):
            schema = part.get("schema", part)
            examples = [example["value"] for example in part.get("examples", {}).values()]
            for example in [*examples, *([part["example"]] if "example" in part else [])]:
                OAS30Validator(resolved(schema)).validate(example)
                checked += 1
            for item in part.values():
                check(item)

    check(CONTRACT)
    assert checked >= 15


def without_authorization() -> dict[str, Any]:
    """Return the contract for requests that an authorizer has accepted."""
    contract = copy.deepcopy(CONTRACT)
    for path in contract["paths"].values():
        for operation in path.values():
            if isinstance(operation, dict):
                operation.pop("security", None)
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
    sent = Request(**case.as_transport_kwargs(base_url=IN_PROCESS)).prepare()
    body = sent.body.encode() if isinstance(sent.body, str) else sent.body or b""
    target = str(sent.url).removeprefix(IN_PROCESS)
    received = gateway.answer(str(sent.method), target, {**sent.headers}, body)
    headers = {name: [value] for name, value in received.headers.items()}
    response = Response(received.status, headers, received.body, sent, elapsed=0.0, verify=False)
    case.validate_response(response, excluded_checks=[schemathesis.checks.positive_data_acceptance])
    is_positive = case.meta is not None and case.meta.generation.mode is schemathesis.GenerationMode.POSITIVE
    if is_positive and response.status_code >= 400:
        assert_rule_outside_of_the_schemas(response.json())


def assert_rule_outside_of_the_schemas(problem: dict[str, Any]) -> None:
    """Check that a request that matches the schemas is refused only by rules that no schema can state."""
    if problem["code"] == "InvalidRequestError":
        assert {error["field"].partition(".")[0] for error in problem["errors"]} <= {
            "Prefer",  # wait=soon
            "body",  # lone surrogates
            "event",
            "config",  # misspelt fields
            "data",
            "idempotency_key",  # two keys
            "prompt",  # one of three fields
            *(error["field"] for error in problem["errors"] if "did you mean" in error["problem"]),
        }
    else:
        assert problem["code"] in {
            "BudgetNotFoundError",
            "ContentRejectedError",
            "ForbiddenError",
            "IdempotencyKeyReusedError",
            "ImageNotFoundError",
            "RateLimitedError",
        }
