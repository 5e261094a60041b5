"""The program of one role in an account where nothing but the role's policy allows anything."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from typing import Any
from uuid import uuid4

from generate_image.handler import Handler, told
from generate_image.settings import Settings
from generate_image.telemetry import Telemetry
from local.account import Account
from local.lambda_context import LocalContext
from local.openai_stand_in import StandIn
from tests.rights.assumed_role import OWNER, AssumedRole, client_of, keys_of, set_enforcement
from tests.template.stack import REGION, Stack

EVERYTHING = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}'


class World:
    """An account as the stack makes it. role: the one under test."""

    def __init__(
        self, account: Account, stand_in: StandIn, stack: Stack, function: str, statements: Sequence[Mapping[str, Any]]
    ) -> None:
        self.stand_in = stand_in
        self.function = stack.properties(function)
        self.environ: dict[str, str] = self.function["Environment"]["Variables"] | {
            "OPENAI_BASE_URL": stand_in.base_url
        }
        self.bucket: str = stack.properties("PictureBucket").get("BucketName", "picturebucket")
        self._account = account
        self.role = AssumedRole(account, statements)
        self._owner = _owner(account)
        self.log = StringIO()
        s3 = self.of_owner("s3")
        for bucket in (self.bucket, "another-bucket"):
            s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})

    def of_owner(self, service: str) -> Any:  # noqa: ANN401  # boto3 makes them at run time
        """Return a client of the account's owner, who may do everything."""
        return client_of(service, self._owner, self._account)

    def create_secret(self, name: str, value: str) -> None:
        """Create a secret under this very name."""
        self.of_owner("secretsmanager").create_secret(Name=name, SecretString=value)

    @property
    def telemetry(self) -> Telemetry:
        """A log of its own."""
        return Telemetry(self.log, service=f"generate-image-{uuid4()}")

    def invoke(self, event: object, *, as_owner: bool = False, **settings: str) -> dict[str, Any]:
        """Return what the function that buys answers, in a new environment with the template's settings and these."""
        client = self.of_owner if as_owner else self.role.client
        telemetry = self.telemetry
        handler = Handler(
            Settings.from_mapping(self.environ | settings),
            client("s3"),
            client("secretsmanager"),
            telemetry,
            sleep=lambda _: None,
            storing_seconds=1,
            shortest_purchase_seconds=0.1,
        )
        context = LocalContext(30)
        with redirect_stdout(self.log):
            return told(telemetry, context, lambda: handler.serve(event, context))


@contextmanager
def enforced(world: World, account: Account) -> Iterator[World]:
    """Let moto judge every call."""
    set_enforcement(account, on=True)
    try:
        yield world
    finally:
        set_enforcement(account, on=False)


def _owner(account: Account) -> dict[str, str]:
    """Return the keys of one whom moto, enforcing, lets do everything."""
    iam = client_of("iam", OWNER, account)
    iam.create_user(UserName="owner")
    iam.put_user_policy(UserName="owner", PolicyName="everything", PolicyDocument=EVERYTHING)
    return keys_of(iam.create_access_key(UserName="owner")["AccessKey"])
