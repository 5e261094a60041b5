"""openapi.yaml describes every error, each a problem of RFC 9457, and the responses to generated requests."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from openapi_spec_validator import OpenAPIV30SpecValidator, validate
from requests import Request
from schemathesis.core.transport import Response
from schemathesis.specs.openapi.checks import positive_data_acceptance

from generate_image import errors
from generate_image.http.response import problem_response
from local.gateway import Gateway
from tests.contract import CONTRACT
from tests.unit.http.conftest import World

ERRORS = {error.__name__: error for error in [*errors.ERRORS_BY_CODE.values(), *errors.HttpError.__subclasses__()]}
FIELDS_OUTSIDE_OF_SCHEMAS = {"Prefer", "body", "event", "config", "data", "idempotency_key", "prompt"}
"""Fields with a rule that no schema states: ``wait=soon``, lone surrogates, one prompt of three, two different keys."""
IN_PROCESS = "http://api.example"
AMOUNTS = {"limit_usd": 0.4, "settled_usd": 0.36, "reserved_usd": 0.04, "month_ends": "2027-02-01T00:00:00Z"}
PROBLEM = {"field": "prompt", "problem": "is required"}


@pytest.mark.parametrize(
    ("error", "retry_after", "details"),
    [
        (errors.StorageError("It failed."), "5", {}),
        (errors.StorageError("It failed.", retry_after=0.2), "1", {}),
        (errors.StorageError("It failed.", retry_after=12.3), "13", {}),
        (errors.OutcomeUnknownError("Lost.", provider_request_id="req_1"), None, {"provider_request_id": "req_1"}),
        (errors.InvalidRequestError.listing([PROBLEM]), None, {"errors": [PROBLEM]}),
        (errors.ContentRejectedError("No.", categories=["violence"]), None, {"categories": ["violence"]}),
        (errors.BudgetExceededError.of_client("1", AMOUNTS, 0.04), None, {"budget": AMOUNTS}),
    ],
)
def test_error_becomes_a_problem(
    error: errors.GenerateImageError, retry_after: str | None, details: Mapping[str, object]
) -> None:
    response = problem_response(error)
    headers = {"Content-Type": "application/problem+json", "Cache-Control": "no-store"}
    assert response["headers"] == headers | ({"Retry-After": retry_after} if retry_after else {})
    assert response["statusCode"] == error.status
    assert json.loads(response["body"]) == {
        "type": "about:blank",
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "detail": error.message,
        "code": error.code,
        "retryable": error.retryable,
        **details,
    }


def test_contract_has_every_error_and_no_other() -> None:
    validate(CONTRACT, cls=OpenAPIV30SpecValidator)
    routes = [route for path in CONTRACT["paths"].values() for route in path.values() if "responses" in route]
    statuses = {int(status) for route in routes for status in route["responses"]}
    assert set(CONTRACT["components"]["schemas"]["ErrorCode"]["enum"]) == ERRORS.keys()
    assert {error.status for error in ERRORS.values()} - statuses == {405}  # of the default route


COMPONENTS = {name: part for name, part in CONTRACT["components"].items() if name != "securitySchemes"}
schema = schemathesis.openapi.from_dict(CONTRACT | {"components": COMPONENTS})
"""An authorizer has accepted the requests."""


def examples(number: int) -> settings:
    return settings(max_examples=number, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def gateway() -> Gateway:
    """The API. Every execution ends in an error at once."""
    world = World()
    world.fail_every_start(errors.ContentRejectedError("The moderation rejected the prompt."))
    return Gateway(CONTRACT, world.invoke)


@schema.include(method=["GET", "POST"]).parametrize()
@examples(50)
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
        assert response.status_code not in {405, 413, 415}
        unexpected = [error for error in response.json().get("errors", []) if "did you mean" not in error["problem"]]
        assert {error["field"].partition(".")[0] for error in unexpected} <= FIELDS_OUTSIDE_OF_SCHEMAS
