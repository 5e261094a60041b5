"""The functions of a stack in an account where only their role's policy allows anything."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from functools import cache, partial
from importlib import import_module
from io import StringIO
from typing import Any, NamedTuple
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from generate_image.errors import GenerateImageError
from generate_image.functions._runtime import Environment, with_boundary
from generate_image.log import Log
from generate_image.settings import Settings
from local.account import CREDENTIALS_ID, Account, secret_name
from local.expand_template import ACCOUNT, EVERY_OPTION, REGION, Stack, deploy
from local.lambda_context import LocalContext
from local.openai_stand_in import StandIn
from tests.proof.rights.iam import Request, Statement
from tests.proof.rights.role import Owner, Role, enforce

STACKS = {"defaults": deploy(), "every option": deploy(**EVERY_OPTION)}
FUNCTION = "AWS::Lambda::Function"
STATE_MACHINE = "AWS::StepFunctions::StateMachine"
RULE = "AWS::Events::Rule"
OWN_KEY = "sk-acme"
"""The API key of the client acme."""


class Subject(NamedTuple):
    """A function, a state machine or an EventBridge rule of a stack."""

    stack_name: str
    logical_id: str

    @property
    def stack(self) -> Stack:
        """The stack."""
        return STACKS[self.stack_name]

    @property
    def properties(self) -> dict[str, Any]:
        """The properties in the template."""
        return self.stack.properties(self.logical_id)

    @property
    def role(self) -> str:
        """The logical name of the role."""
        arn = self.properties.get("Role") or self.properties.get("RoleArn") or self.properties["Targets"][0]["RoleArn"]
        [role] = [name for name in self.stack.of_type("AWS::IAM::Role") if arn.endswith(f":role/{name.lower()}")]
        return role

    @property
    def kms_key(self) -> str | None:
        """The key of the bucket and of the secrets."""
        encryption = self.stack.properties("PictureBucket")["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        key: str | None = encryption[0]["ServerSideEncryptionByDefault"].get("KMSMasterKeyID")
        return key

    def policies(self) -> dict[str, list[Statement]]:
        """Return the statements of the role by policy: its inline ones and the managed ones of the template."""
        role = self.stack.properties(self.role)
        policies = {policy["PolicyName"]: policy["PolicyDocument"] for policy in role.get("Policies", [])}
        managed = self.stack.of_type("AWS::IAM::ManagedPolicy")
        for arn in role.get("ManagedPolicyArns", []):
            [name] = [name for name in managed if arn == f"arn:aws:iam::{ACCOUNT}:policy/{name.lower()}"]
            policies[name] = managed[name]["PolicyDocument"]
        return {name: document["Statement"] for name, document in policies.items()}

    def statements(self) -> list[Statement]:
        """Return all statements of the role."""
        return [statement for statements in self.policies().values() for statement in statements]


def subjects(resource_type: str) -> list[Subject]:
    """Return the resources of one type of both stacks."""
    return [Subject(name, logical_id) for name, stack in STACKS.items() for logical_id in stack.of_type(resource_type)]


class World:
    """One function under the rights of its role."""

    def __init__(self, subject: Subject, owner: Owner, role: Role, stand_in: StandIn) -> None:
        self.subject = subject
        self.owner = owner
        self.role = role
        self.stand_in = stand_in
        self.properties = subject.properties
        variables: dict[str, str] = self.properties["Environment"]["Variables"]
        self.environ = variables | {"OPENAI_BASE_URL": stand_in.base_url}
        self.bucket = self.environ["IMAGE_BUCKET"]

    def invoke(self, event: object, **settings: str) -> Any:  # noqa: ANN401  # JSON
        """Return the response of a new execution environment, which has the template's settings and these."""
        module = import_module(self.properties["Handler"].removesuffix(".handler"))
        output = StringIO()
        environment = Environment(
            settings=Settings.from_mapping(self.environ | settings),
            log=Log(f"rights-{uuid4()}", output),  # loggers of one name share their keys
            clients=self.role.clients,
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


Path = Callable[[World], None]
"""One way through a function, as far as it needs rights. Raises AssertionError if its result is another."""


class RightsAccount:
    """An account with the resources of both stacks, under enforcement. Paths use keys of their own."""

    def __init__(self, account: Account, stand_in: StandIn) -> None:
        self._stand_in = stand_in
        self.owner = Owner(account)
        self.role = Role(account, self.owner)
        self._needed: dict[tuple[Subject, Path], list[Request]] = {}
        self._create_resources()

    def enter(self, subject: Subject, statements: Sequence[Statement]) -> World:
        """Return the world of a function whose role has these statements."""
        self._stand_in.reset()
        self.role.set_policy(statements, subject.kms_key)
        return World(subject, self.owner, self.role, self._stand_in)

    def needed(self, subject: Subject, path: Path) -> list[Request]:
        """Return the requests of a path under the template's policies. Raises AssertionError if one is denied."""
        if (subject, path) not in self._needed:
            path(self.enter(subject, subject.statements()))
            assert self.role.denied == []
            self._needed[subject, path] = self.role.needed
        return self._needed[subject, path]

    def _create_resources(self) -> None:
        variables = Subject("every option", "GenerateImageFunction").properties["Environment"]["Variables"]
        for bucket in (variables["IMAGE_BUCKET"], "another-bucket"):
            self.owner.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        secrets = {
            secret_name("shared", CREDENTIALS_ID): f'{{"apiKey": "{self._stand_in.api_key}"}}',
            secret_name("cli_acme", CREDENTIALS_ID): f'{{"apiKey": "{OWN_KEY}"}}',
            variables["CLOUDFRONT_PRIVATE_KEY_SECRET"]: private_key(),
        }
        for name, text in secrets.items():
            self.owner.client("secretsmanager").create_secret(Name=name, SecretString=text)
        for function in STACKS["every option"].of_type(FUNCTION).values():
            self.owner.client("logs").create_log_group(logGroupName=function["LoggingConfig"]["LogGroup"])
        self.owner.client("stepfunctions").create_state_machine(
            name="generateimagestatemachine",
            definition='{"StartAt": "Wait", "States": {"Wait": {"Type": "Pass", "End": true}}}',
            roleArn=f"arn:aws:iam::{ACCOUNT}:role/generateimagestatemachinerole",
        )


@contextmanager
def rights_account(account: Account, stand_in: StandIn) -> Iterator[RightsAccount]:
    """Run the account until the context ends. Only one may run in a process, because moto's state is the process's."""
    account.empty()
    rights = RightsAccount(account, stand_in)
    enforce(account, on=True)
    try:
        yield rights
    finally:
        enforce(account, on=False)
        account.empty()


@cache
def private_key() -> str:
    """Return a key that signs links."""
    return generate_private_key(65_537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
