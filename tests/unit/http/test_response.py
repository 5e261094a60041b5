"""Every error as a problem of RFC 9457."""

import json

import pytest

from generate_image.errors import (
    ERRORS_BY_CODE,
    BudgetExceededError,
    ContentRejectedError,
    GenerateImageError,
    HttpError,
    InvalidRequestError,
    StorageError,
)
from generate_image.http.response import problem_response

ERRORS = {error.__name__: error for error in [*ERRORS_BY_CODE.values(), *HttpError.__subclasses__()]}


@pytest.mark.parametrize("code", sorted(ERRORS))
def test_error_becomes_a_problem(code: str) -> None:
    error = ERRORS[code]("It failed.")

    response = problem_response(error, instance="/clients/1/images/x")
    body = json.loads(response["body"])

    assert response["statusCode"] == body["status"] == error.status
    assert response["headers"]["Content-Type"] == "application/problem+json"
    assert response["headers"]["Cache-Control"] == "no-store"
    assert ("Retry-After" in response["headers"]) == body["retryable"] == error.retryable
    assert (body["type"], body["code"], body["instance"]) == ("about:blank", code, "/clients/1/images/x")
    assert body["detail"] == error.message
    assert not {"errors", "categories", "provider_request_id", "budget"} & body.keys()


@pytest.mark.parametrize(("seconds", "header"), [(None, "5"), (0.2, "1"), (12.3, "13")])
def test_retry_after_is_a_whole_number(seconds: float | None, header: str) -> None:
    assert problem_response(StorageError("It failed.", retry_after=seconds))["headers"]["Retry-After"] == header


AMOUNTS = {"limit_usd": 0.4, "settled_usd": 0.36, "reserved_usd": 0.04, "month_ends": "2027-02-01T00:00:00Z"}
PROBLEM = {"field": "prompt", "problem": "is required"}


@pytest.mark.parametrize(
    ("error", "name", "value"),
    [
        (InvalidRequestError.listing([PROBLEM]), "errors", [PROBLEM]),
        (ContentRejectedError("No.", categories=["violence"]), "categories", ["violence"]),
        (StorageError("It failed.", provider_request_id="req_1"), "provider_request_id", "req_1"),
        (BudgetExceededError.of_client("1", AMOUNTS, 0.04), "budget", AMOUNTS),
    ],
)
def test_details_are_present_if_known(error: GenerateImageError, name: str, value: object) -> None:
    details = json.loads(problem_response(error)["body"])

    assert details[name] == value
    assert "instance" not in details
