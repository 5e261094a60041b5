"""Provider credentials in Secrets Manager."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from generate_image.aws.call import SECRETS_MANAGER, ExpectedAwsError, call
from generate_image.credentials import Credentials, parse_credentials
from generate_image.errors import CredentialsError, ProviderAuthError

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

T = TypeVar("T")

CACHED_SECONDS = 300
CACHE_SIZE = 1000
NO_SECRET = frozenset({"ResourceNotFoundException"})
DELETED_SECRET = frozenset({"InvalidRequestException"})
"""The error of a secret that is scheduled for deletion:
https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html#API_GetSecretValue_Errors
"""


class _Cached(NamedTuple):
    """credentials: None if there is no such secret. until: on the store's clock."""

    credentials: Credentials | None
    until: float


class CredentialsStore:
    """The secrets ``{prefix}/cli_{client_id}/{credentials_id}`` and ``{prefix}/shared/{credentials_id}``.

    The client's own secret is used before the shared one. Both, and the absence of either, are cached for five minutes.
    A client's own secret that is scheduled for deletion is an error: the client does not fall back to the shared one.
    """

    def __init__(
        self, client: "SecretsManagerClient", prefix: str, *, clock: Callable[[], float], allows_local_hosts: bool
    ) -> None:
        """clock: seconds, from any start. allows_local_hosts: see ``parse_credentials``."""
        self._client = client
        self._prefix = prefix
        self._clock = clock
        self._allows_local_hosts = allows_local_hosts
        self._cache: dict[str, _Cached] = {}

    def read(self, client_id: str, credentials_id: str, *, fresh: bool = False) -> Credentials:
        """Return a client's credentials of that name. fresh: bypass the cache.

        Raises CredentialsError, StorageError, and ConfigurationError if the function may not read the secret.
        """
        for owner in (f"cli_{client_id}", "shared"):
            credentials = self._find(owner, credentials_id, fresh=fresh)
            if credentials is not None:
                return credentials
        raise CredentialsError(
            f"Client {client_id} has no credential named {shown(credentials_id)}. Create the secret "
            f"{self._prefix}/cli_{client_id}/{shown(credentials_id)} with a JSON object that has an apiKey."
        )

    def call(self, client_id: str, credentials_id: str, function: Callable[[Credentials], T]) -> T:
        """Return the result of a call to the provider. A refused key is read again, because it may be rotated.

        Raises as ``read`` and ``function`` do.
        """
        credentials = self.read(client_id, credentials_id)
        try:
            return function(credentials)
        except ProviderAuthError:
            fresh = self.read(client_id, credentials_id, fresh=True)
            if fresh == credentials:
                raise
            return function(fresh)

    def read_of(self, owner: str, credentials_id: str) -> Credentials:
        """Return the credentials of one owner: ``cli_<client_id>`` or ``shared``. Raises as ``read`` does."""
        credentials = self._find(owner, credentials_id, fresh=False)
        if credentials is None:
            name = f"{self._prefix}/{owner}/{shown(credentials_id)}"
            raise CredentialsError(f"There is no secret {name}. Create it with a JSON object that has an apiKey.")
        return credentials

    def _find(self, owner: str, credentials_id: str, *, fresh: bool) -> Credentials | None:
        name = f"{self._prefix}/{owner}/{credentials_id}"
        cached = self._cache.get(name)
        if cached and not fresh and self._clock() < cached.until:
            return cached.credentials
        shown_name = f"{self._prefix}/{owner}/{shown(credentials_id)}"
        try:
            text = secret_text(self._client, name, shown_name, expected=NO_SECRET | DELETED_SECRET)
        except ExpectedAwsError as error:
            if error.code in DELETED_SECRET:
                raise CredentialsError(
                    f"The secret {shown_name} is scheduled for deletion. Restore it or use another credential."
                ) from None
            self._remember(name, None)
            return None
        credentials = parse_credentials(text, shown(credentials_id), allows_local_hosts=self._allows_local_hosts)
        self._remember(name, credentials)
        return credentials

    def _remember(self, name: str, credentials: Credentials | None) -> None:
        now = self._clock()
        self._cache = {other: cached for other, cached in self._cache.items() if now < cached.until and other != name}
        if len(self._cache) >= CACHE_SIZE:
            del self._cache[next(iter(self._cache))]
        self._cache[name] = _Cached(credentials, now + CACHED_SECONDS)


def secret_text(client: "SecretsManagerClient", name: str, shown_name: str, *, expected: frozenset[str]) -> str:
    """Return the text of a secret, which is empty for a binary one. shown_name: the name in error messages.

    Raises ExpectedAwsError for a code in ``expected``, StorageError and ConfigurationError.
    """
    failure = f"Secrets Manager did not return the secret {shown_name}"
    response = call(SECRETS_MANAGER, failure, lambda: client.get_secret_value(SecretId=name), expected=expected)
    return response.get("SecretString", "")


def shown(credentials_id: str) -> str:
    """Return a credential's name for messages and logs.

    A caller may send an API key as the name. Such a name has 24 or more letters and digits without a separator.
    """
    return f"{credentials_id[:4]}… (shortened)" if re.fullmatch(r"[A-Za-z0-9]{24,}", credentials_id) else credentials_id
