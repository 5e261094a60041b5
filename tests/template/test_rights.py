"""What the function may do: these statements, and nothing else."""

import re
from typing import Any

import pytest

from tests.template.stack import deploy, parse_template


def statements(**parameters: str) -> dict[str, Any]:
    [policy] = deploy(**parameters).properties("GenerateImageRole")["Policies"]
    return {statement["Sid"]: statement for statement in policy["PolicyDocument"]["Statement"]}


def test_each_need_has_one_statement() -> None:
    granted = {
        sid: (statement["Effect"], statement["Action"], statement["Resource"])
        for sid, statement in statements().items()
    }

    pictures = "arn:aws:s3:::picturebucket/temporal/*"
    secrets = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:generate-image/*"
    log_streams = "arn:aws:logs:eu-west-1:123456789012:log-group:generateimageloggroup:*"
    assert granted == {
        "ReadCredentials": ("Allow", "secretsmanager:GetSecretValue", secrets),
        "ReadPicturesAndSignTheirLinks": ("Allow", "s3:GetObject", pictures),
        "StorePictures": ("Allow", "s3:PutObject", pictures),
        "SeeWhichPictureIsMissing": ("Allow", "s3:ListBucket", "arn:aws:s3:::picturebucket"),
        "WriteLogs": ("Allow", ["logs:CreateLogStream", "logs:PutLogEvents"], log_streams),
        # X-Ray has no resources to name; nothing else may have a star for one.
        "WriteTraces": ("Allow", ["xray:PutTelemetryRecords", "xray:PutTraceSegments"], "*"),
    }


def test_listing_is_limited_to_the_pictures() -> None:
    assert statements()["SeeWhichPictureIsMissing"]["Condition"] == {"StringLike": {"s3:prefix": "temporal/*"}}


def test_every_role_is_one_resource_s_alone_and_has_no_managed_policy() -> None:
    stack = deploy()
    users = [
        *stack.of_type("AWS::Lambda::Function").values(),
        *stack.of_type("AWS::StepFunctions::StateMachine").values(),
    ]
    roles = stack.of_type("AWS::IAM::Role")
    used = [user["Properties"].get("Role") or user["Properties"]["RoleArn"] for user in users]

    assert sorted(arn.rpartition("/")[2] for arn in used) == sorted(name.lower() for name in roles)
    assert not [name for name, role in roles.items() if "ManagedPolicyArns" in role["Properties"]]
    [trust] = stack.properties("GenerateImageRole")["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "lambda.amazonaws.com"}
    permissions = stack.of_type("AWS::Lambda::Permission").values()
    assert "generateimagefunction" not in [permission["Properties"]["FunctionName"] for permission in permissions]


@pytest.mark.parametrize(
    "prefix", ["", "*", "generate-image/*", "generate?image", "a//b", "/a", "a/", "${AWS::Region}"]
)
def test_no_prefix_widens_the_right_to_read_secrets(prefix: str) -> None:
    pattern = parse_template()["Parameters"]["CredentialsPrefix"]["AllowedPattern"]

    assert not re.fullmatch(pattern, prefix)


def test_the_right_to_read_secrets_follows_the_prefix() -> None:
    resource = statements(CredentialsPrefix="flows/images")["ReadCredentials"]["Resource"]

    assert resource.endswith(":secret:flows/images/*")
