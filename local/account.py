"""An AWS account on this machine: moto's server, with the bucket and the secret that the functions need."""

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import requests
from botocore.exceptions import ClientError
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.s3.models import FakeKey, s3_backends

from local.account_folder import AccountFolder
from local.loopback import LOOPBACK_NAMES, OwnRequests, serving

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication
    from mypy_boto3_s3 import S3Client

REGION = "us-east-1"
BUCKET = "generate-image-local"
NAMESPACE = "6f1c8a52-3f0e-4d0a-9a0b-5a5b1e0c7d11"
CREDENTIALS_PREFIX = "generate-image"
CREDENTIALS_ID = "credencial-openai"
PICTURE_RETENTION_DAYS = 7
SETTINGS = {"IMAGE_BUCKET": BUCKET, "IMAGE_NAMESPACE": NAMESPACE, "CREDENTIALS_PREFIX": CREDENTIALS_PREFIX}
"""The functions' settings that name resources of this account."""


# A request during ``Account.empty`` can leave an object that moto no longer knows: close its file, without a warning.
FakeKey.__del__ = FakeKey.dispose  # type: ignore[method-assign]


@dataclass(frozen=True, slots=True)
class Account:
    """The account's endpoint, and the environment of a function in it."""

    endpoint: str
    folder: AccountFolder | None = None

    @property
    def aws_environ(self) -> dict[str, str]:
        """The variables that lead boto3 to this account."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_DEFAULT_REGION": REGION,
        }

    @property
    def settings(self) -> dict[str, str]:
        """The settings of a function in this account."""
        return SETTINGS

    def session(self) -> boto3.Session:
        """Return a session of the account's owner."""
        return _session()

    def s3(self) -> "S3Client":
        """Return a client of the bucket's owner."""
        return self.session().client("s3", endpoint_url=self.endpoint)

    def empty(self) -> None:
        """Delete every resource."""
        requests.post(f"{self.endpoint}/moto-api/reset", timeout=60).raise_for_status()

    def create_bucket(self) -> None:
        """Create the bucket that ``settings`` names."""
        self.s3().create_bucket(Bucket=BUCKET)

    def create_secret(
        self, secret: Mapping[str, str], *, owner: str = "shared", credentials_id: str = CREDENTIALS_ID
    ) -> None:
        """Create a credential of a client (``cli_1``), or of all (``shared``).

        Every user of this machine can read it: no real key belongs here.
        """
        self.session().client("secretsmanager", endpoint_url=self.endpoint).create_secret(
            Name=secret_name(owner, credentials_id), SecretString=json.dumps(secret)
        )


class Dispatcher(DomainDispatcherApplication):
    """moto's application, which finds the backend of a host once. moto's own lists a folder for each request."""

    get_backend_for_host = cache(DomainDispatcherApplication.get_backend_for_host)


class LocalSecrets:
    """A Secrets Manager client that keeps its secrets in this process.

    The developer's real key stays here: an HTTP server on this machine would give it to other users and to web pages.
    """

    def __init__(self, secrets: Mapping[str, Mapping[str, str]]) -> None:
        """secrets: by name."""
        self._secrets = secrets

    def get_secret_value(self, *, SecretId: str, **_: object) -> dict[str, Any]:  # noqa: N803  # boto3's name
        """Return a secret. Raises ClientError."""
        if SecretId not in self._secrets:
            raise ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "GetSecretValue")
        return {"Name": SecretId, "SecretString": json.dumps(self._secrets[SecretId])}


def secret_name(owner: str = "shared", credentials_id: str = CREDENTIALS_ID) -> str:
    """Return the name of a credential's secret."""
    return f"{CREDENTIALS_PREFIX}/{owner}/{credentials_id}"


@contextmanager
def local_account(
    *, folder: Path | None = None, retention_days: int = PICTURE_RETENTION_DAYS, hosts: Collection[str] = ()
) -> Iterator[Account]:
    """Run the account until the context ends. Its bucket is empty, or has the objects of the folder.

    folder: keeps the objects; ``locked`` by the caller. hosts: other names of this machine.
    """
    app: WSGIApplication = Dispatcher(create_backend_app)
    kept = None
    if folder is not None:
        kept = app = AccountFolder(app, s3_backends[DEFAULT_ACCOUNT_ID]["aws"], BUCKET, folder)
    with serving(OwnRequests(app, (*LOOPBACK_NAMES, *hosts)), 0, MotoRequestHandler) as server:
        account = Account(f"http://127.0.0.1:{server.port}", kept)
        account.empty()  # moto keeps the resources in the process, not in the server
        account.create_bucket()
        if kept is not None:
            kept.load(retention_days)
        yield account


@cache
def _session() -> boto3.Session:
    return boto3.Session("local", "local", region_name=REGION)
