"""openapi.yaml is valid, names every error, and is what the API does: thousands of requests made up from it."""

import copy
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from threading import Thread
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from openapi_schema_validator import OAS30Validator
from openapi_spec_validator import OpenAPIV30SpecValidator, validate

from generate_image import http_errors
from generate_image.errors import BY_CODE, GenerateImageError
from local.http_api import ROOT
from tests.api.http_client import CONTRACT, resolved

OF_HTTP = {
    name: error
    for name, error in vars(http_errors).items()
    if isinstance(error, type) and issubclass(error, GenerateImageError) and error is not GenerateImageError
}
STATUSES = {name: error.status for name, error in {**BY_CODE, **OF_HTTP}.items()}
BEFORE_A_ROUTE = {"RouteNotFoundError", "MethodNotAllowedError"}


def test_the_contract_is_valid_openapi() -> None:
    validate(CONTRACT, cls=OpenAPIV30SpecValidator)


def test_every_error_and_no_other_is_in_the_contract() -> None:
    assert set(CONTRACT["components"]["schemas"]["ErrorCode"]["enum"]) == STATUSES.keys()


@pytest.mark.parametrize(
    "code", sorted(BY_CODE.keys() | OF_HTTP.keys() - {"RouteNotFoundError", "MethodNotAllowedError"})
)
def test_every_error_s_status_is_described_and_its_description_names_it(code: str) -> None:
    status = str(STATUSES[code])
    described = [
        resolved(operation["responses"][status])["description"]
        for path in CONTRACT["paths"].values()
        for method, operation in path.items()
        if method in ("get", "post") and status in operation["responses"]
    ]

    assert described
    assert code == "ForbiddenError" or any(code in description for description in described)


def test_every_example_is_what_its_schema_says() -> None:
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


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """What ``make serve`` starts, with a stand-in that takes no time."""
    environ = {**os.environ, "PYTHONPATH": "src", "PORT": "0", "LATENCY": "0"}
    environ.pop("OPENAI_API_KEY", None)
    command = [sys.executable, "-m", "local.serve"]
    with subprocess.Popen(command, cwd=ROOT, env=environ, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        lines = iter(process.stderr)
        found = next(filter(None, (re.match(r"(http://127\.0\.0\.1:\d+)/: the page", line) for line in lines)))
        drained = Thread(target=lambda: [None for _ in lines])  # a full pipe would stop it
        drained.start()
        yield found[1]
        process.send_signal(signal.SIGINT)
        process.wait(30)
        drained.join()
    assert process.returncode == 0


def without_authorization() -> dict[str, Any]:
    """Return the contract of an API whose callers API Gateway has let in: that part is not played here."""
    contract = copy.deepcopy(CONTRACT)
    for path in contract["paths"].values():
        for operation in path.values():
            if isinstance(operation, dict):
                operation.pop("security", None)
    return contract


schema = schemathesis.openapi.from_dict(without_authorization())


@schema.include(method="POST").parametrize()
@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
def test_ordering_does_what_the_contract_says(case: "schemathesis.Case[Any]", url: str) -> None:
    """With whatever ``Prefer`` is made up, and without waiting where none is."""
    case.headers.setdefault("Prefer", "respond-async")
    assert_as_described(case, url)


@schema.include(method="GET").parametrize()
@settings(max_examples=2000, deadline=None, suppress_health_check=list(HealthCheck))
def test_looking_does_what_the_contract_says(case: "schemathesis.Case[Any]", url: str) -> None:
    assert_as_described(case, url)


def assert_as_described(case: "schemathesis.Case[Any]", url: str) -> None:
    response = case.call(base_url=url)
    case.validate_response(response, excluded_checks=[schemathesis.checks.positive_data_acceptance])
    is_positive = case.meta is not None and case.meta.generation.mode is schemathesis.GenerationMode.POSITIVE
    if is_positive and response.status_code >= 400:
        assert_refused_for_what_no_schema_says(response.json())


def assert_refused_for_what_no_schema_says(problem: dict[str, Any]) -> None:
    """See that a request that keeps to the schemas is refused for what lies outside of them only."""
    if problem["code"] == "InvalidRequestError":  # the grammar of Prefer, printable keys, two keys, lone surrogates
        assert {error["field"] for error in problem["errors"]} <= {"Prefer", "idempotency_key", "event", "body"}
    else:
        refusals = ["CredentialsError", "ForbiddenError", "IdempotencyKeyReusedError", "ImageNotFoundError"]
        assert problem["code"] in refusals
