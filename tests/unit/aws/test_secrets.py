"""Secrets: the owner, the cache, and the errors."""

from typing import TYPE_CHECKING, cast

import pytest
from botocore.exceptions import EndpointConnectionError

from generate_image.aws.secrets import CACHE_SIZE, CACHED_SECONDS, CredentialsStore
from generate_image.credentials import Credentials
from generate_image.errors import ConfigurationError, CredentialsError, ProviderAuthError, StorageError
from tests.memory_s3 import Clock
from tests.secrets_manager import MemorySecretsManager, secrets_error

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

OWN = "generate-image/cli_1/openai"
SHARED = "generate-image/shared/openai"
AZURE_KEY = "0123456789abcdef0123456789ABCDEF"


class Store(CredentialsStore):
    """A store over secrets in memory."""

    def __init__(self) -> None:
        self.secrets = MemorySecretsManager({SHARED: '{"apiKey": "sk-shared"}'})
        self.clock = Clock()
        client = cast("SecretsManagerClient", self.secrets)
        super().__init__(client, "generate-image", clock=self.clock, allows_local_hosts=False)

    def key(self, client_id: str = "1", *, fresh: bool = False) -> str:
        return self.read(client_id, "openai", fresh=fresh).api_key


@pytest.fixture
def store() -> Store:
    return Store()


def test_own_secret_is_used_before_the_shared_one(store: Store) -> None:
    store.secrets.texts[OWN] = '{"apiKey": "sk-own"}'
    assert (store.key("1"), store.key("2")) == ("sk-own", "sk-shared")
    assert store.read_of("shared", "openai").api_key == "sk-shared"
    store.secrets.deleted.add(OWN)  # it cuts the client off; a fallback would continue on the shared account
    with pytest.raises(CredentialsError, match="scheduled for deletion"):
        store.key("1", fresh=True)
    del store.secrets.texts[SHARED]
    with pytest.raises(CredentialsError, match="generate-image/cli_3/openai"):
        store.key("3", fresh=True)


def test_presence_and_absence_are_cached_for_five_minutes(store: Store) -> None:
    store.key()
    store.secrets.texts[OWN] = '{"apiKey": "sk-own"}'
    store.clock.pass_by(CACHED_SECONDS - 1)
    assert (store.key(), store.secrets.reads) == ("sk-shared", [OWN, SHARED])
    assert store.key(fresh=True) == store.key() == "sk-own"
    store.secrets.texts[OWN] = "no JSON"
    store.clock.pass_by(CACHED_SECONDS)
    with pytest.raises(CredentialsError, match="openai must be a JSON object"):
        store.key()
    store.secrets.texts[OWN] = '{"apiKey": "sk-new"}'
    assert store.key() == "sk-new"


def test_cache_is_bounded(store: Store) -> None:
    for number in range(CACHE_SIZE + 2):
        with pytest.raises(CredentialsError):
            store.read("1", f"made-up-{number}")
    assert len(store._cache) == CACHE_SIZE
    store.clock.pass_by(CACHED_SECONDS)
    store.key()
    assert store._cache.keys() == {OWN, SHARED}


def test_refused_key_is_read_again_and_used_once(store: Store) -> None:
    used: list[str] = []

    def buy(credentials: Credentials) -> str:
        used.append(credentials.api_key)
        if credentials.api_key == "sk-shared":
            raise ProviderAuthError("Refused.")
        return "bought"

    with pytest.raises(ProviderAuthError):
        store.call("1", "openai", buy)
    store.secrets.texts[SHARED] = '{"apiKey": "sk-rotated"}'
    assert store.call("1", "openai", buy) == "bought"
    assert used == ["sk-shared", "sk-shared", "sk-rotated"]


def test_key_in_place_of_a_name_is_not_repeated(store: Store) -> None:
    store.secrets.texts[f"generate-image/cli_2/{AZURE_KEY}"] = "no JSON"
    store.secrets.deleted.add(f"generate-image/cli_3/{AZURE_KEY}")
    for read, owner in ((store.read, "1"), (store.read, "2"), (store.read, "3"), (store.read_of, "cli_1")):
        with pytest.raises(CredentialsError, match="0123…") as raised:
            read(owner, AZURE_KEY)
        assert AZURE_KEY not in str(raised.value)
    name = "credencial-openai-de-produccion-2026"
    with pytest.raises(CredentialsError, match=f"{name}.*{name}"):
        store.read("1", name)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (secrets_error("AccessDeniedException"), ConfigurationError),
        (secrets_error("DecryptionFailure"), ConfigurationError),
        (secrets_error("ThrottlingException"), StorageError),
        (EndpointConnectionError(endpoint_url="https://secretsmanager"), StorageError),
    ],
)
def test_failed_read_names_the_secret(store: Store, error: Exception, expected: type[Exception]) -> None:
    store.secrets.failing = error
    with pytest.raises(expected, match="0123…") as raised:
        store.read("1", AZURE_KEY)
    assert AZURE_KEY not in str(raised.value)
