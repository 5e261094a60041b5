"""The evaluator, against rules of IAM's documentation."""

from typing import Any

import pytest

from tests.proof.rights.iam import Request, actions_of, allows, limits_of

BUCKET = "arn:aws:s3:::pictures"


def allow(**changed: object) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{BUCKET}/temporal/*"} | changed


@pytest.mark.parametrize(
    ("statement", "action", "resource", "allowed"),
    [
        (allow(), "s3:GetObject", f"{BUCKET}/temporal/cli_1/a.png", True),
        (allow(), "s3:GetObject", f"{BUCKET}/Temporal/cli_1/a.png", False),
        (allow(), "s3:GetObject", f"{BUCKET}/lists/a.json", False),
        (allow(), "s3:GetObject", BUCKET, False),
        (allow(), "s3:GetObjectAcl", f"{BUCKET}/temporal/a.png", False),
        (allow(Action=["s3:PutObject", "s3:Get*"]), "s3:GetObjectAcl", f"{BUCKET}/temporal/a.png", True),
        (allow(Resource="a-??????"), "s3:GetObject", "a-AbCdEf", True),
        (allow(Resource="a-??????"), "s3:GetObject", "a-b-AbCdEf", False),
        (allow(Effect="Deny"), "s3:GetObject", f"{BUCKET}/temporal/a.png", False),
    ],
)
def test_statement_covers_its_actions_and_resources(
    *, statement: dict[str, Any], action: str, resource: str, allowed: bool
) -> None:
    assert allows([statement], Request(action, resource)) is allowed


@pytest.mark.parametrize(
    ("context", "allowed"),
    [
        ({"s3:prefix": "temporal/cli_1/"}, True),
        ({"s3:prefix": "lists/"}, False),
        ({}, False),
    ],
)
def test_condition_needs_its_key_in_the_request(*, context: dict[str, str], allowed: bool) -> None:
    statement = allow(Action="s3:ListBucket", Resource=BUCKET, Condition={"StringLike": {"s3:prefix": "temporal/*"}})

    assert allows([statement], Request("s3:ListBucket", BUCKET, context)) is allowed


def test_denial_overrides_permission() -> None:
    request = Request("s3:GetObject", f"{BUCKET}/temporal/a.png")

    assert not allows([allow(), allow(Effect="Deny", Action="s3:*")], request)
    assert not allows([], request)


@pytest.mark.parametrize(
    "changed", [{"NotResource": "*"}, {"Condition": {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}}]
)
def test_unknown_element_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(NotImplementedError):
        allows([allow(**changed)], Request("s3:GetObject", f"{BUCKET}/temporal/a.png"))


def test_each_value_of_a_statement_can_be_removed() -> None:
    statement = allow(Action=["a:B", "a:C"], Condition={"StringLike": {"kms:ViaService": ["s3.*", "sm.*"]}})

    assert actions_of(statement) == [
        ("a:B", statement | {"Action": ["a:C"]}),
        ("a:C", statement | {"Action": ["a:B"]}),
    ]
    assert limits_of(statement) == [
        (f"{BUCKET}/temporal/*", statement | {"Resource": []}),
        ("s3.*", statement | {"Condition": {"StringLike": {"kms:ViaService": ["sm.*"]}}}),
        ("sm.*", statement | {"Condition": {"StringLike": {"kms:ViaService": ["s3.*"]}}}),
    ]
