"""An account where a function may do only what its role's policies allow. Two judges must allow each of its calls.

moto, with its enforcement on, judges the action, and S3's resources. It knows no condition, no other resource than `*`
for other services, and responds with 404 for a missing key whatever the caller's rights. `iam` judges all of that.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from io import StringIO
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import boto3
import requests
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from generate_image.aws.clients import Clients
from generate_image.errors import GenerateImageError
from generate_image.functions._runtime import Environment, with_boundary
from generate_image.log import Log
from generate_image.settings import Settings
from local.account import CREDENTIALS_ID, Account, secret_name
from local.expand_template import ACCOUNT, REGION
from local.lambda_context import LocalContext
from local.openai_stand_in import StandIn
from tests.proof.rights.iam import Request, Statement, allows, listed
from tests.proof.rights.needs import list_request, requests_of_call
from tests.proof.rights.subjects import FUNCTIONS, Subject

if TYPE_CHECKING:
    from botocore.awsrequest import AWSResponse
    from botocore.model import OperationModel

ROLE = "under-test"
TRUST = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}]}'
ALL_RIGHTS = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}'
OWN_KEY = "sk-acme"
"""The API key of the client acme."""


class RightsAccount:
    """An account with the resources of both stacks, and an assumed role whose policy may change.

    owner: returns a client with all rights. s3: the owner's. role: the role's session, which both judge. unjudged_s3:
    the role's, which only moto judges. needed: the requests of the role's calls, in order. denied: some of them.
    """

    def __init__(self, account: Account, stand_in: StandIn) -> None:
        self.account, self.stand_in = account, stand_in
        self.owner: Callable[[Any], Any] = partial(_owner_session(account).client, endpoint_url=account.endpoint)
        self.s3, self._iam = self.owner("s3"), self.owner("iam")
        self._kms_key: str | None = None
        self._statements: Sequence[Statement] = []
        self._known: dict[tuple[Subject, Path], list[Request]] = {}
        self.needed: list[Request] = []
        self.denied: list[Request] = []
        self._iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=TRUST)
        self.role, unjudged = self._assume_role(), self._assume_role()
        self.unjudged_s3 = unjudged.client("s3", endpoint_url=account.endpoint)
        self.role.events.register("before-parameter-build", _keep_parameters)
        self.role.events.register("before-call", self._judge_call)
        self.role.events.register("after-call", self._hide_missing_object)
        self.clients = Clients(account.aws_environ, session=self.role)
        self._create_resources()

    def _assume_role(self) -> boto3.Session:
        arn = f"arn:aws:iam::{ACCOUNT}:role/{ROLE}"
        keys = self.owner("sts").assume_role(RoleArn=arn, RoleSessionName=ROLE)["Credentials"]
        return boto3.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], region_name=REGION)

    def enter(self, subject: Subject, statements: Sequence[Statement]) -> "World":
        """Return the world of a function whose role has exactly these statements."""
        self.stand_in.reset()
        self._statements, self._kms_key = statements, subject.kms_key
        self.needed, self.denied = [], []
        document = {"Version": "2012-10-17", "Statement": [_for_moto(each) for each in statements if each["Action"]]}
        self._iam.put_role_policy(RoleName=ROLE, PolicyName="all", PolicyDocument=json.dumps(document))
        return World(self, subject)

    def needed_by(self, subject: Subject, path: "Path") -> list[Request]:
        """Return the requests of a path under the template's policies. Raises AssertionError if one is denied."""
        if (subject, path) not in self._known:
            path(self.enter(subject, subject.statements()))
            assert self.denied == []
            self._known[subject, path] = self.needed
        return self._known[subject, path]

    def require(self, request: Request) -> None:
        """Raise AWS's error unless the role may make this request."""
        if not self._allows(request):
            message = f"not authorized to perform {request.action} on {request.resource}"
            code = "AccessDenied" if request.action.startswith("s3:") else "AccessDeniedException"
            raise ClientError({"Error": {"Code": code, "Message": message}}, request.action)

    def _allows(self, request: Request) -> bool:
        self.needed.append(request)
        if allows(self._statements, request):
            return True
        self.denied.append(request)
        return False

    def _judge_call(self, model: "OperationModel", context: dict[str, Any], **_: object) -> None:
        service = model.service_model.service_name
        for request in requests_of_call(service, model.name, context["parameters"], self._kms_key):
            self.require(request)

    def _hide_missing_object(
        self, http_response: "AWSResponse", parsed: dict[str, Any], context: dict[str, Any], **_: object
    ) -> None:
        code = parsed.get("Error", {}).get("Code")
        if http_response.status_code == requests.codes.forbidden:
            self.denied.append(Request(f"{code} by moto", str(context["parameters"])))
        if code in {"404", "NoSuchKey"}:
            request = list_request(context["parameters"]["Bucket"], context["parameters"]["Key"])
            if not self._allows(request):
                parsed["Error"]["Code"] = {"404": "403", "NoSuchKey": "AccessDenied"}[code]

    def _create_resources(self) -> None:
        variables = Subject("every option", "GenerateImageFunction").properties["Environment"]["Variables"]
        for bucket in (variables["IMAGE_BUCKET"], "another-bucket"):
            self.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        secrets = {
            secret_name("shared", CREDENTIALS_ID): f'{{"apiKey": "{self.stand_in.api_key}"}}',
            secret_name("cli_acme", CREDENTIALS_ID): f'{{"apiKey": "{OWN_KEY}"}}',
            variables["CLOUDFRONT_PRIVATE_KEY_SECRET"]: _private_key(),
        }
        for name, text in secrets.items():
            self.owner("secretsmanager").create_secret(Name=name, SecretString=text)
        for group in {function.properties["LoggingConfig"]["LogGroup"] for function in FUNCTIONS}:
            self.owner("logs").create_log_group(logGroupName=group)
        self.owner("stepfunctions").create_state_machine(
            name="generateimagestatemachine",
            definition='{"StartAt": "Wait", "States": {"Wait": {"Type": "Pass", "End": true}}}',
            roleArn=f"arn:aws:iam::{ACCOUNT}:role/generateimagestatemachinerole",
        )


@dataclass
class World:
    """One function under the rights of its role."""

    rights: RightsAccount
    subject: Subject

    def __post_init__(self) -> None:
        self.stand_in = self.rights.stand_in
        self.s3 = self.rights.s3
        self.properties = self.subject.properties
        variables: dict[str, str] = self.properties["Environment"]["Variables"]
        self.environ = variables | {"OPENAI_BASE_URL": self.stand_in.base_url}
        self.bucket = self.environ["IMAGE_BUCKET"]

    def invoke(self, event: object, **settings: str) -> Any:  # noqa: ANN401  # JSON
        """Return the response of a new execution environment, which has the template's settings and these."""
        module = import_module(self.properties["Handler"].removesuffix(".handler"))
        output = StringIO()
        environment = Environment(
            settings=Settings.from_mapping(self.environ | settings),
            log=Log(f"rights-{uuid4()}", output),  # loggers of one name share their keys
            clients=self.rights.clients,
            sleep=lambda _: None,
            margin=0,
        )
        build: Callable[[Environment], Any] = module.build
        if self.subject.logical_id == "GenerateImageFunction":
            build = partial(module.build, storing_seconds=1, shortest_purchase_seconds=0.1)
        respond = {"ApiFunction": "problem_response", "ModelWatchFunction": "respond"}.get(self.subject.logical_id)
        function = with_boundary(build(environment), environment, getattr(module, respond) if respond else None)
        with redirect_stdout(output):  # the metrics
            return function(event, LocalContext(30))

    def error(self, event: object) -> GenerateImageError | None:
        """Return the error of an invocation, or None."""
        try:
            self.invoke(event)
        except GenerateImageError as error:
            return error
        return None

    def put(self, key: str, content: bytes | str) -> None:
        """Store an object as the owner."""
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=content)


Path = Callable[[World], None]
"""One way through a function, as far as it needs rights. Raises AssertionError if its result is another."""


@contextmanager
def rights_account(account: Account, stand_in: StandIn) -> Iterator[RightsAccount]:
    """Run the account until the context ends. Only one may run in a process, because moto's state is the process's."""
    account.empty()
    rights = RightsAccount(account, stand_in)
    _enforce(account, free_calls="0")
    try:
        yield rights
    finally:
        _enforce(account, free_calls="inf")
        account.empty()


def _enforce(account: Account, *, free_calls: str) -> None:
    """Turn moto's enforcement of IAM on after so many calls. https://docs.getmoto.org/en/latest/docs/iam.html"""
    requests.post(f"{account.endpoint}/moto-api/reset-auth", data=free_calls, timeout=10).raise_for_status()


def _owner_session(account: Account) -> boto3.Session:
    """Return a session of a user with all rights, because moto, enforcing, refuses unknown keys."""
    iam = account.session().client("iam", endpoint_url=account.endpoint)
    iam.create_user(UserName="owner")
    iam.put_user_policy(UserName="owner", PolicyName="all", PolicyDocument=ALL_RIGHTS)
    key = iam.create_access_key(UserName="owner")["AccessKey"]
    return boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name=REGION)


def _private_key() -> str:
    """Return a key that signs links."""
    return generate_private_key(65_537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _keep_parameters(params: dict[str, Any], context: dict[str, Any], **_: object) -> None:
    context["parameters"] = dict(params)


def _for_moto(statement: Statement) -> Mapping[str, Any]:
    """Return a statement without the parts that moto cannot judge."""
    kept = {name: value for name, value in statement.items() if name != "Condition"}
    is_s3 = all(action.startswith("s3:") for action in listed(statement["Action"]))
    return kept if is_s3 else kept | {"Resource": "*"}
