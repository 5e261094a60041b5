"""The boto3 clients of one execution environment."""

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_stepfunctions import SFNClient

ATTEMPTS = 2
CONNECT_SECONDS = 2
READ_SECONDS = 7
"""Two attempts fit into the time that a purchase reserves for storing: generation.STORING_SECONDS."""


def client_config(*, read_seconds: float, has_endpoint: bool) -> Config:
    """Return the configuration of a client. has_endpoint: whether an endpoint replaces AWS's own."""
    # Without "virtual", botocore presigns links to S3's global endpoint, which fails in opt-in regions and for new
    # buckets. A local endpoint has no host name for each bucket.
    addressing: Literal["auto", "virtual"] = "auto" if has_endpoint else "virtual"
    return Config(
        signature_version="s3v4",  # boto3 presigns with SigV2 in some regions otherwise
        s3={"addressing_style": addressing},
        connect_timeout=CONNECT_SECONDS,
        read_timeout=read_seconds,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
    )


class Clients:
    """Makes each client on first use."""

    def __init__(
        self, environ: Mapping[str, str], *, read_seconds: float = READ_SECONDS, session: boto3.Session | None = None
    ) -> None:
        """read_seconds: the longest wait for data. session: boto3's default session if None."""
        endpoints = {"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"} & environ.keys()
        self._session = session
        self._endpoint = environ.get("AWS_ENDPOINT_URL")
        self._config = client_config(read_seconds=read_seconds, has_endpoint=bool(endpoints))

    @cached_property
    def s3(self) -> "S3Client":
        """Amazon S3."""
        client: S3Client = self._client("s3")
        return client

    @cached_property
    def secrets_manager(self) -> "SecretsManagerClient":
        """AWS Secrets Manager."""
        client: SecretsManagerClient = self._client("secretsmanager")
        return client

    @cached_property
    def step_functions(self) -> "SFNClient":
        """AWS Step Functions."""
        client: SFNClient = self._client("stepfunctions")
        return client

    def _client(self, service: Any) -> Any:  # noqa: ANN401  # boto3's overloads name each service
        make = self._session.client if self._session else boto3.client
        return make(service, config=self._config, endpoint_url=self._endpoint)
