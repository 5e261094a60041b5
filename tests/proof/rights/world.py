"""An account where a function may do only what its role's policies allow.

The evaluator judges each call before moto responds to it. It also judges what moto does not know: the rights of a KMS
key, and that S3 hides a missing object from a role that may not list it.
"""

from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from functools import partial
from importlib import import_module
from io import StringIO
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import boto3
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from generate_image.aws.clients import Clients
from generate_image.functions._runtime import Environment, with_boundary
from generate_image.log import Log
from generate_image.settings import Settings
from local.account import Account, secret_name
from local.expand_template import ACCOUNT, REGION
from local.lambda_context import LocalContext
from local.openai_stand_in import StandIn
from tests.proof.rights.iam import Request, Statement, allows
from tests.proof.rights.needs import Subject, list_request, requests_of_call

if TYPE_CHECKING:
    from botocore.model import OperationModel


class World:
    """An account with the resources of both stacks, and one function of a stack under the rights of its role.

    s3: the owner's client. clients: the role's, which are judged. needed: the requests of the role's calls, in order.
    denied: some of them.
    """

    subject: Subject
    statements: Sequence[Statement]
    environ: dict[str, str]
    needed: list[Request]
    denied: list[Request]

    def __init__(self, account: Account, stand_in: StandIn) -> None:
        self.stand_in = stand_in
        self._known: dict[tuple[Subject, Path], list[Request]] = {}
        role = boto3.Session("role", "role", region_name=REGION)
        role.events.register("before-parameter-build", _keep_parameters)
        role.events.register("before-call", self._judge_call)
        role.events.register("after-call", self._hide_missing_object)
        self.clients = Clients(account.aws_environ, session=role)
        owner: Callable[[Any], Any] = partial(
            boto3.Session("owner", "owner", region_name=REGION).client, endpoint_url=account.endpoint
        )
        self.s3 = owner("s3")
        variables = Subject("every option", "GenerateImageFunction").properties["Environment"]["Variables"]
        self.bucket: str = variables["IMAGE_BUCKET"]
        self.s3.create_bucket(Bucket=self.bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        private_key = generate_private_key(65_537, 2048)
        secrets = {
            secret_name(): f'{{"apiKey": "{stand_in.api_key}"}}',
            variables["CLOUDFRONT_PRIVATE_KEY_SECRET"]: private_key.private_bytes(
                Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
            ).decode(),
        }
        for name, text in secrets.items():
            owner("secretsmanager").create_secret(Name=name, SecretString=text)
        owner("stepfunctions").create_state_machine(
            name="generateimagestatemachine",
            definition='{"StartAt": "Wait", "States": {"Wait": {"Type": "Pass", "End": true}}}',
            roleArn=f"arn:aws:iam::{ACCOUNT}:role/generateimagestatemachinerole",
        )

    def enter(self, subject: Subject, statements: Sequence[Statement]) -> None:
        """Become the world of a function whose role has exactly these statements."""
        self.stand_in.reset()
        self.subject, self.statements = subject, statements
        self.needed, self.denied = [], []
        self.environ = subject.properties["Environment"]["Variables"] | {"OPENAI_BASE_URL": self.stand_in.base_url}

    def needed_by(self, subject: Subject, path: "Path") -> list[Request]:
        """Return the requests of a path under the template's policies. Raises AssertionError if one is denied."""
        if (subject, path) not in self._known:
            self.enter(subject, subject.statements())
            path(self)
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
        if allows(self.statements, request):
            return True
        self.denied.append(request)
        return False

    def _judge_call(self, model: "OperationModel", context: dict[str, Any], **_: object) -> None:
        service = model.service_model.service_name
        for request in requests_of_call(service, model.name, context["parameters"], self.subject.kms_key):
            self.require(request)

    def _hide_missing_object(self, parsed: dict[str, Any], context: dict[str, Any], **_: object) -> None:
        code = parsed.get("Error", {}).get("Code")
        if code in {"404", "NoSuchKey"}:
            request = list_request(context["parameters"]["Bucket"], context["parameters"]["Key"])
            if not self._allows(request):
                parsed["Error"]["Code"] = {"404": "403", "NoSuchKey": "AccessDenied"}[code]

    def invoke(self, event: object, **settings: str) -> Any:  # noqa: ANN401  # JSON
        """Return the response of a new execution environment, which has the template's settings and these."""
        module = import_module(self.subject.properties["Handler"].removesuffix(".handler"))
        output = StringIO()
        environment = Environment(
            settings=Settings.from_mapping(self.environ | settings),
            log=Log(f"rights-{uuid4()}", output),  # loggers of one name share their keys
            clients=self.clients,
            sleep=lambda _: None,
        )
        function = with_boundary(module.build(environment), environment, getattr(module, "problem_response", None))
        with redirect_stdout(output):  # the metrics
            return function(event, LocalContext())

    def put(self, key: str, content: bytes | str) -> None:
        """Store an object as the owner."""
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=content)


Path = Callable[[World], None]
"""One way through a function, as far as it needs rights. Raises AssertionError if its result is another."""


def _keep_parameters(params: dict[str, Any], context: dict[str, Any], **_: object) -> None:
    context["parameters"] = dict(params)
