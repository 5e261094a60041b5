"""The HTTP API as it is deployed: its routes, its authorization and its access log."""

import json
import re
from typing import Any

import pytest

from local.expand_template import EVERY_OPTION, Stack, deploy, parse_template

INTEGRATION = {
    "type": "aws_proxy",
    "httpMethod": "POST",
    "payloadFormatVersion": "2.0",
    "uri": "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/"
    "arn:aws:lambda:eu-west-1:123456789012:function:apifunction/invocations",
}
DEFAULT_ROUTE = "x-amazon-apigateway-any-method /$default"
FREE_TEXT = {"$context.error.messageString"}
"""Comes with quotation marks: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging-variables.html"""


def definition(**parameters: str) -> dict[str, Any]:
    body: dict[str, Any] = deploy(**parameters).properties("HttpApi")["Body"]
    return body


def operations(**parameters: str) -> dict[str, dict[str, Any]]:
    methods = ("get", "post", "x-amazon-apigateway-any-method")
    return {
        f"{method} {path}": operation
        for path, item in definition(**parameters)["paths"].items()
        for method, operation in item.items()
        if method in methods
    }


def scheme(**parameters: str) -> dict[str, Any]:
    found: dict[str, Any] = definition(**parameters)["components"]["securitySchemes"]["caller"]
    return found


@pytest.mark.parametrize("parameters", [{}, EVERY_OPTION], ids=["default", "every option"])
def test_every_route_is_authorized_and_reaches_the_function(parameters: dict[str, str]) -> None:
    for operation in operations(**parameters).values():
        assert operation["security"] == [{"caller": []}]
        assert operation["x-amazon-apigateway-integration"] == INTEGRATION


def test_import_fails_on_a_warning() -> None:
    """Otherwise an authorizer that cannot be created leaves an API without routes, and the deployment succeeds."""
    assert deploy().properties("HttpApi")["FailOnWarnings"] is True


def test_preflight_meets_no_authorizer() -> None:
    """API Gateway answers a preflight request itself, unless a route matches every method."""
    assert DEFAULT_ROUTE in operations()
    assert DEFAULT_ROUTE not in operations(CorsOrigins="https://flows.example.com")


def test_callers_sign_with_iam_by_default() -> None:
    assert scheme()["x-amazon-apigateway-authtype"] == "awsSigv4"
    assert "x-amazon-apigateway-authorizer" not in scheme()


def test_callers_have_a_token_of_the_issuer() -> None:
    found = scheme(**EVERY_OPTION)

    assert "x-amazon-apigateway-authtype" not in found
    assert found["x-amazon-apigateway-authorizer"] == {
        "type": "jwt",
        "identitySource": "$request.header.Authorization",
        "jwtConfiguration": {"issuer": "https://issuer.example.com/pool", "audience": ["generate-image", "flows"]},
    }


def test_only_named_origins_may_call() -> None:
    cors = definition(**EVERY_OPTION)["x-amazon-apigateway-cors"]

    assert "x-amazon-apigateway-cors" not in definition()
    assert cors["allowOrigins"] == ["https://flows.example.com", "http://localhost:3000"]
    assert {"authorization", "content-type", "idempotency-key", "prefer"} <= set(cors["allowHeaders"])
    assert {"location", "retry-after"} <= set(cors["exposeHeaders"])
    assert "allowCredentials" not in cors


def stage(stack: Stack) -> dict[str, Any]:
    [properties] = stack.of_type("AWS::ApiGatewayV2::Stage").values()
    return properties


def test_requests_are_throttled() -> None:
    settings = stage(deploy(ApiRequestsPerSecond="7", ApiBurst="9"))["DefaultRouteSettings"]

    assert (settings["ThrottlingRateLimit"], settings["ThrottlingBurstLimit"]) == ("7", "9")


def test_access_log_stays_json_with_any_error() -> None:
    log_format = stage(deploy())["AccessLogSettings"]["Format"]
    unquoted = set(re.findall(r": (\$context\.[\w.]+)", log_format))
    line = log_format.replace("$context.error.messageString", json.dumps('Unknown "host"'))

    assert unquoted == FREE_TEXT
    assert "$context.integrationErrorMessage" not in line  # free text without quotation marks of its own
    assert json.loads(line)["error"] == 'Unknown "host"'
    assert not re.search(r"header|query", log_format, re.IGNORECASE)  # a token may be in them


def test_only_this_api_may_invoke_the_function() -> None:
    [permission] = [
        permission
        for permission in deploy().of_type("AWS::Lambda::Permission").values()
        if permission["FunctionName"] == "apifunction"
    ]

    assert permission["Principal"] == "apigateway.amazonaws.com"
    assert permission["SourceArn"] == "arn:aws:execute-api:eu-west-1:123456789012:httpapi/*"
    assert deploy().of_type("AWS::Lambda::Url") == {}
    assert parse_template()["Resources"]["ApiFunction"]["Properties"]["Timeout"] == 30  # API Gateway waits no longer
