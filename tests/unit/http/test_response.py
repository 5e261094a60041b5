"""Every error as a problem of RFC 9457."""

import json

import pytest

from generate_image.errors import ERRORS_BY_CODE, HttpError, InvalidRequestError, MethodNotAllowedError
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


@pytest.mark.parametrize(("seconds", "header"), [(None, "5"), (0.2, "1"), (12.3, "13")])
def test_retry_after_is_a_whole_number(seconds: float | None, header: str) -> None:
    response = problem_response(ERRORS_BY_CODE["StorageError"]("It failed.", retry_after=seconds))

    assert response["headers"]["Retry-After"] == header


def test_details_are_present_if_known() -> None:
    error = ERRORS_BY_CODE["ContentRejectedError"]("No.", categories=["violence"], provider_request_id="req_1")
    problem = {"field": "prompt", "problem": "is required"}

    rejected = json.loads(problem_response(error)["body"])
    invalid = json.loads(problem_response(InvalidRequestError.listing([problem]))["body"])

    assert (rejected["categories"], rejected["provider_request_id"]) == (["violence"], "req_1")
    assert invalid["errors"] == [problem]
    assert not {"errors", "instance"} & rejected.keys()


def test_wrong_method_names_the_right_one() -> None:
    assert problem_response(MethodNotAllowedError("POST"))["headers"]["Allow"] == "POST"
