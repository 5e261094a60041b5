"""A role of the template, assumed in the account on this machine: what its policy does not allow is denied.

Two judge each call, and both must allow it. moto, with its enforcement on, judges the action, and S3's resources; it
takes no other service's resource but `*`, knows no condition, and answers 404 for a key that is not there whoever asks.
`iam` judges the rest: resources, conditions, and the 403 that S3 gives for a missing key to who may not list.
"""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import boto3
import requests
from botocore.exceptions import ClientError

from generate_image.handler import AWS_CONFIG
from local.account import Account
from tests.rights.calls import list_that_tells_what_is_missing, requests_of
from tests.rights.iam import Request, allows
from tests.template.stack import ACCOUNT, REGION

if TYPE_CHECKING:
    from botocore.awsrequest import AWSResponse
    from botocore.model import OperationModel

SESSION: Any = boto3.Session(region_name=REGION)  # of nobody's; it reads each API's description once for all
OWNER = {"aws_access_key_id": "local", "aws_secret_access_key": "local"}
TRUST = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}]}'


def client_of(service: str, keys: Mapping[str, str], account: Account) -> Any:  # noqa: ANN401  # made at run time
    """Return a client with these keys."""
    return SESSION.client(service, endpoint_url=account.endpoint, config=AWS_CONFIG, **keys)


def keys_of(credentials: Mapping[str, str]) -> dict[str, str]:
    """Return keys as `client_of` takes them, from an answer of IAM or STS."""
    keys = {"aws_access_key_id": credentials["AccessKeyId"], "aws_secret_access_key": credentials["SecretAccessKey"]}
    token = credentials.get("SessionToken")
    return keys | ({"aws_session_token": token} if token else {})


def set_enforcement(account: Account, *, on: bool) -> None:
    """Turn moto's enforcement of IAM on or off. https://docs.getmoto.org/en/latest/docs/iam.html"""
    free_calls = "0" if on else "inf"
    requests.post(f"{account.endpoint}/moto-api/reset-auth", data=free_calls, timeout=10).raise_for_status()


class AssumedRole:
    """Sessions of a role that has these statements. denied: what was asked for and denied, in order."""

    def __init__(self, account: Account, statements: Sequence[Mapping[str, Any]]) -> None:
        self._account = account
        self._statements = statements
        self.denied: list[str] = []
        iam = client_of("iam", OWNER, account)
        iam.create_role(RoleName="under-test", AssumeRolePolicyDocument=TRUST)
        for index, statement in enumerate(map(_for_moto, statements)):
            document = {"Version": "2012-10-17", "Statement": [statement]}
            iam.put_role_policy(RoleName="under-test", PolicyName=str(index), PolicyDocument=json.dumps(document))
        sts = client_of("sts", OWNER, account)
        assumed = sts.assume_role(RoleArn=f"arn:aws:iam::{ACCOUNT}:role/under-test", RoleSessionName="under-test")
        self._keys = keys_of(assumed["Credentials"])

    def client(self, service: str, *, judged_here: bool = True) -> Any:  # noqa: ANN401  # boto3 makes them at run time
        """Return a client that has the role's rights. judged_here: else moto alone judges its calls."""
        client = client_of(service, self._keys, self._account)
        if not judged_here:
            return client
        client.meta.events.register("before-parameter-build", _keep_parameters)
        client.meta.events.register("before-call", self._judge)
        client.meta.events.register("after-call", self._hide_what_is_missing)
        return client

    def ask(self, request: Request) -> None:
        """Raise what a call of AWS raises where the role may not do this."""
        if not allows(self._statements, request):
            self.denied.append(f"{request.action} {request.resource}")
            message = f"not authorized to perform {request.action} on {request.resource}"
            code = "AccessDenied" if request.action.startswith("s3:") else "AccessDeniedException"
            raise ClientError({"Error": {"Code": code, "Message": message}}, request.action)

    def _judge(self, model: "OperationModel", context: dict[str, Any], **_: object) -> None:
        for request in requests_of(model.service_model.service_name, model.name, context["parameters"]):
            self.ask(request)

    def _hide_what_is_missing(
        self, http_response: "AWSResponse", parsed: dict[str, Any], context: dict[str, Any], **_: object
    ) -> None:
        code = parsed.get("Error", {}).get("Code")
        if http_response.status_code == requests.codes.forbidden:
            self.denied.append(f"{code} by moto: {context['parameters']}")
        if code in {"404", "NoSuchKey"}:
            request = list_that_tells_what_is_missing(context["parameters"])
            if not allows(self._statements, request):
                self.denied.append(f"{request.action} {request.resource}")
                parsed["Error"]["Code"] = {"404": "403", "NoSuchKey": "AccessDenied"}[code]


def _keep_parameters(params: dict[str, Any], context: dict[str, Any], **_: object) -> None:
    context["parameters"] = dict(params)


def _for_moto(statement: Mapping[str, Any]) -> dict[str, Any]:
    """Return a statement without what moto cannot judge."""
    kept = {name: value for name, value in statement.items() if name != "Condition"}
    actions = [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
    return kept if all(action.startswith("s3:") for action in actions) else kept | {"Resource": "*"}
