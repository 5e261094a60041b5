"""A role in the account on this machine. Two judges must allow each of its calls.

moto, with its enforcement on, judges the action, and S3's resources. It knows no condition, no other resource than `*`
for other services, and responds with 404 for a missing key whatever the caller's rights. `iam` judges all of that.
"""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import boto3
import requests
from botocore.exceptions import ClientError

from generate_image.aws.clients import Clients
from local.account import Account
from local.expand_template import ACCOUNT, REGION
from tests.proof.rights.calls import list_request, requests_of
from tests.proof.rights.iam import Request, Statement, allows, listed

if TYPE_CHECKING:
    from botocore.awsrequest import AWSResponse
    from botocore.model import OperationModel

ROLE = "under-test"
TRUST = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}]}'
ALL_RIGHTS = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}'


def enforce(account: Account, *, on: bool) -> None:
    """Turn moto's enforcement of IAM on or off. https://docs.getmoto.org/en/latest/docs/iam.html"""
    free_calls = "0" if on else "inf"
    requests.post(f"{account.endpoint}/moto-api/reset-auth", data=free_calls, timeout=10).raise_for_status()


class Owner:
    """The account's owner: a user with all rights, because moto, enforcing, refuses unknown keys."""

    def __init__(self, account: Account) -> None:
        self._endpoint = account.endpoint
        self._session = boto3.Session("local", "local", region_name=REGION)
        iam = self.client("iam")
        iam.create_user(UserName="owner")
        iam.put_user_policy(UserName="owner", PolicyName="all", PolicyDocument=ALL_RIGHTS)
        key = iam.create_access_key(UserName="owner")["AccessKey"]
        self._session = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name=REGION)
        self.iam, self.sts = self.client("iam"), self.client("sts")
        self.s3 = self.client("s3")

    def client(self, service: Any) -> Any:  # noqa: ANN401  # boto3 makes clients at run time
        """Return a client."""
        return self._session.client(service, endpoint_url=self._endpoint)


class Role:
    """An assumed role, whose policy may change. needed: the requests of its calls, in order. denied: some of them."""

    def __init__(self, account: Account, owner: Owner) -> None:
        self._owner = owner
        self._kms_key: str | None = None
        self._statements: Sequence[Statement] = []
        self.needed: list[Request] = []
        self.denied: list[Request] = []
        owner.iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=TRUST)
        arn = f"arn:aws:iam::{ACCOUNT}:role/{ROLE}"
        keys = owner.sts.assume_role(RoleArn=arn, RoleSessionName=ROLE)["Credentials"]
        session = boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], region_name=REGION)
        self.unjudged = Clients(account.aws_environ, session=session)
        self.clients = _JudgedClients(self, account, session)

    def set_policy(self, statements: Sequence[Statement], kms_key: str | None) -> None:
        """Give the role exactly these rights. kms_key: the key of the bucket and the secrets, or None."""
        self._statements = statements
        self._kms_key = kms_key
        self.needed, self.denied = [], []
        document = {"Version": "2012-10-17", "Statement": [_for_moto(each) for each in statements if each["Action"]]}
        self._owner.iam.put_role_policy(RoleName=ROLE, PolicyName="all", PolicyDocument=json.dumps(document))

    def require(self, request: Request) -> None:
        """Raise AWS's error unless the role may make this request."""
        self.needed.append(request)
        if not allows(self._statements, request):
            self.denied.append(request)
            message = f"not authorized to perform {request.action} on {request.resource}"
            code = "AccessDenied" if request.action.startswith("s3:") else "AccessDeniedException"
            raise ClientError({"Error": {"Code": code, "Message": message}}, request.action)

    def judge(self, client: Any) -> None:  # noqa: ANN401  # likewise
        """Judge every call of a client."""
        client.meta.events.register("before-parameter-build", _keep_parameters)
        client.meta.events.register("before-call", self._judge_call)
        client.meta.events.register("after-call", self._hide_missing_object)

    def _judge_call(self, model: "OperationModel", context: dict[str, Any], **_: object) -> None:
        service = model.service_model.service_name
        for request in requests_of(service, model.name, context["parameters"], self._kms_key):
            self.require(request)

    def _hide_missing_object(
        self, http_response: "AWSResponse", parsed: dict[str, Any], context: dict[str, Any], **_: object
    ) -> None:
        code = parsed.get("Error", {}).get("Code")
        if http_response.status_code == requests.codes.forbidden:
            self.denied.append(Request(f"{code} by moto", str(context["parameters"])))
        if code in {"404", "NoSuchKey"}:
            request = list_request(context["parameters"]["Bucket"], context["parameters"]["Key"])
            self.needed.append(request)
            if not allows(self._statements, request):
                self.denied.append(request)
                parsed["Error"]["Code"] = {"404": "403", "NoSuchKey": "AccessDenied"}[code]


class _JudgedClients(Clients):
    def __init__(self, role: Role, account: Account, session: boto3.Session) -> None:
        super().__init__(account.aws_environ, session=session)
        self._role = role
        self.logs = self._client("logs")

    def _client(self, service: Any) -> Any:  # noqa: ANN401  # likewise
        client = super()._client(service)
        self._role.judge(client)
        return client


def _keep_parameters(params: dict[str, Any], context: dict[str, Any], **_: object) -> None:
    context["parameters"] = dict(params)


def _for_moto(statement: Statement) -> Mapping[str, Any]:
    """Return a statement without the parts that moto cannot judge."""
    kept = {name: value for name, value in statement.items() if name != "Condition"}
    is_s3 = all(action.startswith("s3:") for action in listed(statement["Action"]))
    return kept if is_s3 else kept | {"Resource": "*"}
