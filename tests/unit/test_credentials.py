"""Secrets: whose they are, what they must hold, and when they are read again."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from generate_image.credentials import CACHED_SECONDS, Credentials, CredentialsStore
from generate_image.deadline import Deadline
from generate_image.errors import ConfigurationError, CredentialsError, StorageError
from local.account import Account

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class CountingClient:
    """The real client, its calls counted, and failing with ``error`` where one is set."""

    def __init__(self, client: "SecretsManagerClient") -> None:
        self.client = client
        self.names: list[str] = []
        self.error: Exception | None = None

    def get_secret_value(self, *, SecretId: str) -> object:  # noqa: N803  # boto3's name
        self.names.append(SecretId)
        if self.error:
            raise self.error
        return self.client.get_secret_value(SecretId=SecretId)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client(account: Account) -> CountingClient:
    return CountingClient(account.session().client("secretsmanager", endpoint_url=account.endpoint))


@pytest.fixture
def store(client: CountingClient, clock: Clock) -> Iterator[CredentialsStore]:
    return CredentialsStore(client, "generate-image", clock=clock)  # type: ignore[arg-type, return-value]


def deadline(clock: Clock) -> Deadline:
    return Deadline(clock() + 60, clock)


def test_the_clients_own_secret_wins(account: Account, store: CredentialsStore, clock: Clock) -> None:
    account.create_secret({"apiKey": "sk-shared"}, credentials_id="openai")
    account.create_secret(
        {"apiKey": " sk-own ", "baseUrl": "https://eu.example/v1/", "organization": "org-1", "project": "proj-1"},
        owner="cli_1",
        credentials_id="openai",
    )
    assert store.read("1", "openai", deadline(clock)) == Credentials(
        "sk-own", "https://eu.example/v1", "org-1", "proj-1"
    )
    assert store.read("2", "openai", deadline(clock)) == Credentials("sk-shared")


def test_a_client_does_not_get_anothers_secret(account: Account, store: CredentialsStore, clock: Clock) -> None:
    account.create_secret({"apiKey": "sk-own"}, owner="cli_1", credentials_id="openai")
    with pytest.raises(CredentialsError, match="generate-image/cli_2/openai"):
        store.read("2", "openai", deadline(clock))


def test_what_was_read_and_what_was_missing_is_remembered(
    account: Account, store: CredentialsStore, client: CountingClient, clock: Clock
) -> None:
    account.create_secret({"apiKey": "sk-shared"}, credentials_id="openai")
    for _ in range(3):
        store.read("1", "openai", deadline(clock))
    assert client.names == ["generate-image/cli_1/openai", "generate-image/shared/openai"]
    account.create_secret({"apiKey": "sk-own"}, owner="cli_1", credentials_id="openai")
    clock.now += CACHED_SECONDS
    assert store.read("1", "openai", deadline(clock)).api_key == "sk-own"


def test_fresh_answers_from_no_memory(account: Account, store: CredentialsStore, clock: Clock) -> None:
    account.create_secret({"apiKey": "sk-shared"}, credentials_id="openai")
    store.read("1", "openai", deadline(clock))
    account.create_secret({"apiKey": "sk-own"}, owner="cli_1", credentials_id="openai")
    assert store.read("1", "openai", deadline(clock)).api_key == "sk-shared"
    assert store.read("1", "openai", deadline(clock), fresh=True).api_key == "sk-own"


@pytest.mark.parametrize(
    ("secret", "message"),
    [
        ("not JSON", "must be a JSON object"),
        ('["apiKey"]', "must be a JSON object"),
        ("{}", "has no apiKey"),
        ('{"apiKey": ""}', "has no apiKey"),
        ('{"apiKey": "  "}', "has no apiKey"),
        ('{"apiKey": 7}', "must be a plain string"),
        ('{"apiKey": "sk-two words"}', "must be a plain string"),
        ('{"apiKey": "sk-line\\r\\nX-Evil: 1"}', "must be a plain string"),
        ('{"apiKey": "sk-ñ"}', "must be a plain string"),
        ('{"apiKey": "sk-a", "organization": "org\\n"}', "organization .* must be a plain string"),
        ('{"apiKey": "sk-a", "baseUrl": "http://api.example/v1"}', "must be an https URL"),
        ('{"apiKey": "sk-a", "baseUrl": "file:///etc/passwd"}', "must be an https URL"),
    ],
)
def test_a_secret_without_a_usable_key_is_an_error_that_does_not_show_it(
    account: Account, store: CredentialsStore, clock: Clock, secret: str, message: str
) -> None:
    account.session().client("secretsmanager", endpoint_url=account.endpoint).create_secret(
        Name="generate-image/shared/openai", SecretString=secret
    )
    with pytest.raises(CredentialsError, match=message) as caught:
        store.read("1", "openai", deadline(clock))
    assert "sk-" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_binary_secret_has_no_key(account: Account, store: CredentialsStore, clock: Clock) -> None:
    account.session().client("secretsmanager", endpoint_url=account.endpoint).create_secret(
        Name="generate-image/shared/openai", SecretBinary=json.dumps({"apiKey": "sk-a"}).encode()
    )
    with pytest.raises(CredentialsError):
        store.read("1", "openai", deadline(clock))


def aws_error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "…"}}, "GetSecretValue")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (aws_error("ResourceNotFoundException"), CredentialsError),
        (aws_error("InvalidRequestException"), CredentialsError),
        (aws_error("AccessDeniedException"), ConfigurationError),
        (aws_error("DecryptionFailure"), ConfigurationError),
        (aws_error("InternalServiceError"), StorageError),
        (aws_error("ThrottlingException"), StorageError),
        (EndpointConnectionError(endpoint_url="https://secretsmanager"), StorageError),
    ],
)
def test_a_failure_is_told_by_what_can_be_done(
    store: CredentialsStore, client: CountingClient, clock: Clock, error: Exception, expected: type[Exception]
) -> None:
    client.error = error
    with pytest.raises(expected):
        store.read("1", "openai", deadline(clock))


def test_credentials_do_not_show_themselves() -> None:
    assert "sk-" not in repr(Credentials("sk-a", "https://sk-b.example", "sk-c", "sk-d"))
