"""An AWS account on this machine: moto's server with the bucket and the secret that the function needs."""

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

import boto3
import requests
from moto.server import ThreadedMotoServer

REGION = "us-east-1"
BUCKET = "generate-image-local"
NAMESPACE = "6f1c8a52-3f0e-4d0a-9a0b-5a5b1e0c7d11"
CREDENTIALS_PREFIX = "generate-image"
CREDENTIALS_ID = "credencial-openai"


@dataclass(frozen=True, slots=True)
class Account:
    """The account's endpoint, and the environment that a function in it has."""

    endpoint: str

    @property
    def aws_environ(self) -> dict[str, str]:
        """Return what points boto3 at this account."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_DEFAULT_REGION": REGION,
        }

    @property
    def settings(self) -> dict[str, str]:
        """Return the function's settings that name things of this account."""
        return {
            "IMAGE_BUCKET": BUCKET,
            "IMAGE_NAMESPACE": NAMESPACE,
            "CREDENTIALS_PREFIX": CREDENTIALS_PREFIX,
        }

    def session(self) -> boto3.Session:
        """Return a session of the account's owner."""
        return _session()

    def empty(self) -> None:
        """Remove everything that was ever made in it."""
        requests.post(f"{self.endpoint}/moto-api/reset", timeout=60).raise_for_status()

    def create_bucket(self) -> None:
        """Create the bucket that ``settings`` names."""
        self.session().client("s3", endpoint_url=self.endpoint).create_bucket(Bucket=BUCKET)

    def create_secret(
        self, secret: Mapping[str, str], *, owner: str = "shared", credentials_id: str = CREDENTIALS_ID
    ) -> None:
        """Create a credential of a client (``cli_1``), or of all (``shared``)."""
        self.session().client("secretsmanager", endpoint_url=self.endpoint).create_secret(
            Name=f"{CREDENTIALS_PREFIX}/{owner}/{credentials_id}", SecretString=json.dumps(secret)
        )


@cache
def _session() -> boto3.Session:
    return boto3.Session("local", "local", region_name=REGION)


@contextmanager
def local_account(port: int = 0) -> Iterator[Account]:
    """Run moto's server for as long as the context lasts, with an empty bucket. port: 0 for a free one."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line for each request hides what a command says
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    try:
        account = Account(f"http://127.0.0.1:{server.get_host_and_port()[1]}")
        account.empty()  # moto keeps what there is in the process, not in the server
        account.create_bucket()
        yield account
    finally:
        server.stop()
