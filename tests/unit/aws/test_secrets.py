"""Secrets: the owner, the cache, and the errors."""

from typing import TYPE_CHECKING, cast

import pytest
from botocore.exceptions import EndpointConnectionError

from generate_image.aws.secrets import CACHE_SIZE, CACHED_SECONDS, CredentialsStore
from generate_image.credentials import Credentials
from generate_image.errors import ConfigurationError, CredentialsError, StorageError
from tests.memory_s3 import Clock
from tests.secrets_manager import MemorySecretsManager, secrets_error

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

OWN = "generate-image/cli_1/openai"
SHARED = "generate-image/shared/openai"
AZURE_KEY = "0123456789abcdef0123456789ABCDEF"


@pytest.fixture
def secrets() -> MemorySecretsManager:
    return MemorySecretsManager({SHARED: '{"apiKey": "sk-shared"}'})


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(secrets: MemorySecretsManager, clock: Clock) -> CredentialsStore:
    client = cast("SecretsManagerClient", secrets)
    return CredentialsStore(client, "generate-image", clock=clock, allows_local_hosts=False)


def test_own_secret_is_used_before_the_shared_one(store: CredentialsStore, secrets: MemorySecretsManager) -> None:
    secrets.texts[OWN] = '{"apiKey": " sk-own ", "baseUrl": "https://eu.example/v1/", "organization": "org-1"}'

    assert store.read("1", "openai") == Credentials("sk-own", "https://eu.example/v1", "org-1")
    assert store.read("2", "openai") == Credentials("sk-shared")


def test_secret_of_another_client_is_not_used(store: CredentialsStore, secrets: MemorySecretsManager) -> None:
    secrets.texts = {OWN: '{"apiKey": "sk-own"}'}

    with pytest.raises(CredentialsError, match="generate-image/cli_2/openai"):
        store.read("2", "openai")


def test_deleted_own_secret_does_not_fall_back(store: CredentialsStore, secrets: MemorySecretsManager) -> None:
    """The deletion cuts the client off; a fallback would continue on the shared account."""
    secrets.deleted.add(OWN)

    with pytest.raises(CredentialsError, match="scheduled for deletion"):
        store.read("1", "openai")
    assert store.read("2", "openai").api_key == "sk-shared"


def test_presence_and_absence_are_cached(store: CredentialsStore, secrets: MemorySecretsManager, clock: Clock) -> None:
    for _ in range(3):
        store.read("1", "openai")
    assert secrets.reads == [OWN, SHARED]

    secrets.texts[OWN] = '{"apiKey": "sk-own"}'
    clock.pass_by(CACHED_SECONDS)
    assert store.read("1", "openai").api_key == "sk-own"


def test_fresh_read_bypasses_the_cache(store: CredentialsStore, secrets: MemorySecretsManager) -> None:
    store.read("1", "openai")
    secrets.texts[OWN] = '{"apiKey": "sk-own"}'

    assert store.read("1", "openai").api_key == "sk-shared"
    assert store.read("1", "openai", fresh=True).api_key == "sk-own"
    assert store.read("1", "openai").api_key == "sk-own"


def test_cache_is_bounded(store: CredentialsStore, secrets: MemorySecretsManager, clock: Clock) -> None:
    for number in range(CACHE_SIZE + 200):
        with pytest.raises(CredentialsError):
            store.read("1", f"made-up-{number}")
    assert len(store._cache) == CACHE_SIZE

    clock.pass_by(CACHED_SECONDS)
    store.read("1", "openai")
    assert len(store._cache) == 2
    assert secrets.texts


def test_owner_can_be_named(store: CredentialsStore, secrets: MemorySecretsManager) -> None:
    assert store.read_of("shared", "openai").api_key == "sk-shared"
    with pytest.raises(CredentialsError, match="no secret generate-image/cli_1/openai"):
        store.read_of("cli_1", "openai")
    assert secrets.reads == [SHARED, OWN]


def test_key_in_place_of_a_name_is_not_repeated(store: CredentialsStore, secrets: MemorySecretsManager) -> None:
    secrets.texts[f"generate-image/cli_2/{AZURE_KEY}"] = "no JSON"
    secrets.deleted.add(f"generate-image/cli_3/{AZURE_KEY}")
    for client in ("1", "2", "3"):
        with pytest.raises(CredentialsError, match="0123…") as raised:
            store.read(client, AZURE_KEY)
        assert AZURE_KEY not in str(raised.value)

    secrets.failing = secrets_error("AccessDeniedException")
    with pytest.raises(ConfigurationError, match="0123…") as denied:
        store.read("4", AZURE_KEY)
    assert AZURE_KEY not in str(denied.value)


def test_ordinary_name_is_repeated(store: CredentialsStore) -> None:
    name = "credencial-openai-de-produccion-2026"

    with pytest.raises(CredentialsError, match=name):
        store.read("1", name)


def test_unusable_secret_is_not_cached(store: CredentialsStore, secrets: MemorySecretsManager) -> None:
    secrets.texts[SHARED] = "no JSON"
    with pytest.raises(CredentialsError, match="must be a JSON object"):
        store.read("1", "openai")

    secrets.texts[SHARED] = '{"apiKey": "sk-mended"}'
    assert store.read("1", "openai").api_key == "sk-mended"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (secrets_error("AccessDeniedException"), ConfigurationError),
        (secrets_error("DecryptionFailure"), ConfigurationError),
        (secrets_error("InternalServiceError"), StorageError),
        (secrets_error("ThrottlingException"), StorageError),
        (EndpointConnectionError(endpoint_url="https://secretsmanager"), StorageError),
    ],
)
def test_failed_read_is_mapped(
    store: CredentialsStore, secrets: MemorySecretsManager, error: Exception, expected: type[Exception]
) -> None:
    secrets.failing = error

    with pytest.raises(expected):
        store.read("1", "openai")
