"""The evaluator, against rules of IAM's documentation."""

from typing import Any

import pytest

from tests.proof.rights.iam import Request, allows, limits_of

BUCKET = "arn:aws:s3:::pictures"
PICTURE = Request("s3:GetObject", f"{BUCKET}/temporal/cli_1/a.png")
ACL = PICTURE._replace(action="s3:GetObjectAcl")


def allow(**changed: object) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{BUCKET}/temporal/*"} | changed


LIST = allow(Action="s3:ListBucket", Resource=BUCKET, Condition={"StringLike": {"s3:prefix": "temporal/*"}})


@pytest.mark.parametrize(
    ("statements", "request_", "allowed"),
    [
        ([allow()], PICTURE, True),
        ([allow(Action="s3:getobject")], PICTURE, True),
        ([allow()], PICTURE._replace(resource=f"{BUCKET}/Temporal/cli_1/a.png"), False),
        ([allow(Action=["s3:PutObject", "s3:Get*"])], ACL, True),
        ([allow(Resource="a-??????")], PICTURE._replace(resource="a-AbCdEf"), True),
        ([allow(), allow(Effect="Deny", Action="s3:*")], PICTURE, False),
        ([LIST], Request("s3:ListBucket", BUCKET, {"s3:prefix": "temporal/cli_1/"}), True),
        ([LIST], Request("s3:ListBucket", BUCKET, {"s3:prefix": "lists/"}), False),
        ([LIST], Request("s3:ListBucket", BUCKET), False),
    ],
)
def test_statements_allow_what_they_cover(
    *, statements: list[dict[str, Any]], request_: Request, allowed: bool
) -> None:
    assert allows(statements, request_) is allowed


@pytest.mark.parametrize(
    "changed", [{"NotResource": "*"}, {"Condition": {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}}]
)
def test_unknown_element_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(NotImplementedError):
        allows([allow(**changed)], PICTURE)


def test_each_value_of_a_statement_can_be_removed() -> None:
    statement = allow(Condition={"StringLike": {"kms:ViaService": ["s3.*", "sm.*"]}})

    assert limits_of(statement) == [
        (f"{BUCKET}/temporal/*", statement | {"Resource": []}),
        ("s3.*", statement | {"Condition": {"StringLike": {"kms:ViaService": ["sm.*"]}}}),
        ("sm.*", statement | {"Condition": {"StringLike": {"kms:ViaService": ["s3.*"]}}}),
    ]
