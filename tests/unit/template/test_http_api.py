"""The HTTP API as it is deployed: its routes, its authorization and its access log."""

import json
import re
from typing import Any

from local.expand_template import EVERY_OPTION, deploy

INTEGRATION = {
    "type": "aws_proxy",
    "httpMethod": "POST",
    "payloadFormatVersion": "2.0",
    "uri": "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/"
    "arn:aws:lambda:eu-west-1:123456789012:function:apifunction/invocations",
}
METHODS = ("get", "post", "x-amazon-apigateway-any-method")


def definition(**parameters: str) -> dict[str, Any]:
    body: dict[str, Any] = deploy(**parameters).properties("HttpApi")["Body"]
    return body


def test_every_route_reaches_the_function_for_authorized_callers() -> None:
    """A caller signs with IAM or has a token of the issuer."""
    definitions = [definition(), definition(**EVERY_OPTION)]
    iam, jwt = (each["components"]["securitySchemes"]["caller"] for each in definitions)

    for path in (path for each in definitions for path in each["paths"].values()):
        for operation in (path[method] for method in METHODS if method in path):
            assert operation["security"] == [{"caller": []}]
            assert operation["x-amazon-apigateway-integration"] == INTEGRATION
    assert iam["x-amazon-apigateway-authtype"] == "awsSigv4"
    assert "x-amazon-apigateway-authorizer" not in iam
    assert "x-amazon-apigateway-authtype" not in jwt
    assert jwt["x-amazon-apigateway-authorizer"] == {
        "type": "jwt",
        "identitySource": "$request.header.Authorization",
        "jwtConfiguration": {"issuer": "https://issuer.example.com/pool", "audience": ["generate-image", "flows"]},
    }


def test_only_named_origins_may_call() -> None:
    """API Gateway answers a preflight request itself, unless a route matches every method."""
    closed, opened = definition(), definition(**EVERY_OPTION)
    cors = opened["x-amazon-apigateway-cors"]

    assert "x-amazon-apigateway-cors" not in closed
    assert cors["allowOrigins"] == ["https://flows.example.com", "http://localhost:3000"]
    assert {"authorization", "content-type", "idempotency-key", "prefer"} <= set(cors["allowHeaders"])
    assert {"location", "retry-after"} <= set(cors["exposeHeaders"])
    assert "allowCredentials" not in cors
    assert "x-amazon-apigateway-any-method" in closed["paths"]["/$default"]
    assert "x-amazon-apigateway-any-method" not in opened["paths"].get("/$default", {})


def test_requests_are_throttled_and_any_error_is_logged_as_json() -> None:
    """The error comes with its own quotation marks.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging-variables.html
    """
    [stage] = deploy(ApiRequestsPerSecond="7", ApiBurst="9").of_type("AWS::ApiGatewayV2::Stage").values()
    throttling, log_format = stage["DefaultRouteSettings"], stage["AccessLogSettings"]["Format"]
    line = log_format.replace("$context.error.messageString", json.dumps('Unknown "host"'))

    assert (throttling["ThrottlingRateLimit"], throttling["ThrottlingBurstLimit"]) == ("7", "9")
    assert json.loads(line)["error"] == 'Unknown "host"'
    assert "$context.integrationErrorMessage" not in line  # free text without quotation marks of its own
    assert not re.search(r"header|query", log_format, re.IGNORECASE)  # a token may be in them


def test_only_this_api_may_invoke_the_function() -> None:
    stack = deploy()
    permissions = stack.of_type("AWS::Lambda::Permission").values()
    [permission] = [each for each in permissions if each["FunctionName"] == "apifunction"]

    assert permission["Principal"] == "apigateway.amazonaws.com"
    assert permission["SourceArn"] == "arn:aws:execute-api:eu-west-1:123456789012:httpapi/*"
    assert stack.of_type("AWS::Lambda::Url") == {}
    # Otherwise the deployment of an authorizer that cannot be created succeeds, and the API has no routes.
    assert stack.properties("HttpApi")["FailOnWarnings"] is True
    assert stack.properties("ApiFunction")["Timeout"] == 30  # API Gateway waits no longer
