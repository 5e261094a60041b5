"""The HTTP API as it is deployed: openapi.yaml's routes, who may call them, and what of a call is kept."""

import json
from typing import Any

import pytest

from generate_image.settings import Settings
from tests.template.everything import EVERYTHING
from tests.template.stack import Stack, deploy, parse_template

FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:apifunction"
ROUTES = ["/$default", "/clients/{client_id}/images", "/clients/{client_id}/images/{image_id}"]


@pytest.fixture(scope="module")
def stack() -> Stack:
    return deploy()


def definition(stack: Stack) -> dict[str, Any]:
    body: dict[str, Any] = stack.properties("HttpApi")["Body"]
    return body


def operations(stack: Stack) -> dict[str, dict[str, Any]]:
    methods = ("get", "post", "x-amazon-apigateway-any-method")
    return {
        f"{method} {path}": operation
        for path, item in definition(stack)["paths"].items()
        for method, operation in item.items()
        if method in methods
    }


def scheme(stack: Stack) -> dict[str, Any]:
    [(name, scheme)] = definition(stack)["components"]["securitySchemes"].items()
    assert name == "caller"
    assert isinstance(scheme, dict)
    return scheme


def test_every_route_leads_to_the_function_that_waits(stack: Stack) -> None:
    assert sorted(definition(stack)["paths"]) == ROUTES
    for operation in operations(stack).values():
        integration = operation["x-amazon-apigateway-integration"]
        assert integration == {
            "type": "aws_proxy",
            "httpMethod": "POST",
            "payloadFormatVersion": "2.0",
            "uri": f"arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/{FUNCTION}/invocations",
        }


def test_this_api_and_no_other_may_invoke_it(stack: Stack) -> None:
    [permission] = [
        permission["Properties"]
        for permission in stack.of_type("AWS::Lambda::Permission").values()
        if permission["Properties"]["FunctionName"] == "apifunction"
    ]

    assert permission["Principal"] == "apigateway.amazonaws.com"
    assert permission["SourceArn"] == "arn:aws:execute-api:eu-west-1:123456789012:httpapi/*"


@pytest.mark.parametrize("parameters", [{}, EVERYTHING])
def test_no_route_is_open(parameters: dict[str, str]) -> None:
    for operation in operations(deploy(**parameters)).values():
        assert operation["security"] == [{"caller": []}]


def test_a_preflight_meets_no_authorizer_where_browsers_may_call(stack: Stack) -> None:
    """API Gateway answers it by itself, unless a route takes every method: the default one does."""
    everything_else = "x-amazon-apigateway-any-method /$default"

    assert everything_else in operations(stack)
    assert everything_else not in operations(deploy(**EVERYTHING))


def test_callers_sign_with_iam_by_default(stack: Stack) -> None:
    assert scheme(stack)["x-amazon-apigateway-authtype"] == "awsSigv4"
    assert "x-amazon-apigateway-authorizer" not in scheme(stack)
    assert stack.properties("ApiFunction")["Environment"]["Variables"]["JWT_CLIENT_CLAIM"] == ""


def test_callers_bring_a_token_where_there_is_an_issuer() -> None:
    stack = deploy(**EVERYTHING)

    assert "x-amazon-apigateway-authtype" not in scheme(stack)
    assert scheme(stack)["x-amazon-apigateway-authorizer"] == {
        "type": "jwt",
        "identitySource": "$request.header.Authorization",
        "jwtConfiguration": {"issuer": "https://issuer.example.com/pool", "audience": ["generate-image", "flows"]},
    }
    assert stack.properties("ApiFunction")["Environment"]["Variables"]["JWT_CLIENT_CLAIM"] == "client_id"


def test_pages_of_other_origins_may_call_it_only_where_they_are_named(stack: Stack) -> None:
    cors = definition(deploy(**EVERYTHING))["x-amazon-apigateway-cors"]

    assert "x-amazon-apigateway-cors" not in definition(stack)
    assert cors["allowOrigins"] == ["https://flows.example.com", "http://localhost:3000"]
    assert {"authorization", "content-type", "idempotency-key", "prefer"} <= set(cors["allowHeaders"])
    assert {"location", "retry-after"} <= set(cors["exposeHeaders"])
    assert "allowCredentials" not in cors


def test_requests_are_throttled_and_logged_without_what_they_hold(stack: Stack) -> None:
    [stage] = stack.of_type("AWS::ApiGatewayV2::Stage").values()
    properties = stage["Properties"]
    log = json.loads(properties["AccessLogSettings"]["Format"])

    assert properties["StageName"] == "$default"
    assert properties["DefaultRouteSettings"]["ThrottlingRateLimit"] == "20"
    assert properties["DefaultRouteSettings"]["ThrottlingBurstLimit"] == "40"
    assert properties["AccessLogSettings"]["DestinationArn"].startswith("arn:aws:logs:")
    assert log["status"] == "$context.status"
    assert not [value for value in log.values() if not value.startswith("$context.")]


def test_the_function_has_what_api_gateway_waits_for(stack: Stack) -> None:
    function = stack.properties("ApiFunction")

    assert (function["Handler"], function["Timeout"]) == ("generate_image.api.handler", 30)
    assert function["LoggingConfig"] == {"LogGroup": "apiloggroup"}
    settings = Settings.from_mapping(function["Environment"]["Variables"])
    assert settings.state_machine_arn == "arn:aws:states:eu-west-1:123456789012:stateMachine:generateimagestatemachine"


def test_the_function_that_waits_can_neither_buy_nor_write(stack: Stack) -> None:
    [policy] = stack.properties("ApiRole")["Policies"]
    granted = {
        statement["Sid"]: (statement["Action"], statement["Resource"])
        for statement in policy["PolicyDocument"]["Statement"]
    }
    log_streams = "arn:aws:logs:eu-west-1:123456789012:log-group:apiloggroup:*"
    machine = "arn:aws:states:eu-west-1:123456789012:stateMachine:generateimagestatemachine"
    executions = "arn:aws:states:eu-west-1:123456789012:execution:generateimagestatemachine:*"

    assert granted == {
        "ReadPicturesAndSignTheirLinks": ("s3:GetObject", "arn:aws:s3:::picturebucket/temporal/*"),
        "SeeWhichPictureIsMissing": ("s3:ListBucket", "arn:aws:s3:::picturebucket"),
        "HavePicturesBought": ("states:StartExecution", machine),
        "SeeWhatBecameOfThem": ("states:DescribeExecution", executions),
        "WriteLogs": (["logs:CreateLogStream", "logs:PutLogEvents"], log_streams),
        "WriteTraces": (["xray:PutTelemetryRecords", "xray:PutTraceSegments"], "*"),
    }


def test_no_function_and_machine_name_each_other_in_a_circle() -> None:
    """CloudFormation refuses circles: the machine names the function that buys, the one that waits the machine."""
    resources = parse_template()["Resources"]
    environment = resources["GenerateImageFunction"]["Properties"]["Environment"]["Variables"]

    assert "STATE_MACHINE_ARN" not in environment
    assert resources["ApiFunction"]["Properties"]["Environment"]["Variables"]["STATE_MACHINE_ARN"] == {
        "Ref": "GenerateImageStateMachine"
    }
