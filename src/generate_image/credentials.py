"""The provider's key of a client, from Secrets Manager."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.parameters import SecretsProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError
from botocore.exceptions import BotoCoreError, ClientError

from generate_image.deadline import Deadline, DeadlineExceededError
from generate_image.errors import ConfigurationError, CredentialsError, StorageError
from generate_image.settings import is_base_url

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

CACHED_SECONDS = 300
NOT_THERE = frozenset({"ResourceNotFoundException", "InvalidRequestException"})
"""The second is what a secret answers that is marked for deletion."""
NOT_ALLOWED = frozenset({"AccessDeniedException", "DecryptionFailure", "KMSAccessDeniedException"})


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a secret holds. No part of it is shown by ``repr``."""

    api_key: str = field(repr=False)
    base_url: str | None = field(default=None, repr=False)
    organization: str | None = field(default=None, repr=False)
    project: str | None = field(default=None, repr=False)


class CredentialsStore:
    """The secrets ``{prefix}/cli_{client_id}/{credentials_id}`` and ``{prefix}/shared/{credentials_id}``.

    The client's own wins. What was read, and that a client has none of its own, is remembered for five minutes.
    """

    def __init__(self, client: "SecretsManagerClient", prefix: str, *, clock: Callable[[], float]) -> None:
        """clock: seconds, from any start."""
        self._secrets: SecretsProvider = SecretsProvider(boto3_client=client)
        self._prefix = prefix
        self._clock = clock
        self._missing_until: dict[str, float] = {}

    def read(self, client_id: str, credentials_id: str, deadline: Deadline, *, fresh: bool = False) -> Credentials:
        """Return the credentials of that name for that client. fresh: do not answer from memory.

        Raises CredentialsError, ConfigurationError where the function may not read the secret, and StorageError.
        """
        for owner in (f"cli_{client_id}", "shared"):
            text = self._get(f"{self._prefix}/{owner}/{credentials_id}", deadline, fresh=fresh)
            if text is not None:
                return _parse(text, credentials_id)
        raise CredentialsError(
            f"Client {client_id} has no credential named {credentials_id}. Create the secret "
            f"{self._prefix}/cli_{client_id}/{credentials_id} with a JSON object that has an apiKey."
        )

    def read_of(self, owner: str, credentials_id: str, deadline: Deadline) -> Credentials:
        """Return the credentials of that name of one owner alone, ``cli_<client_id>`` or ``shared``.

        Raises CredentialsError, ConfigurationError where the function may not read the secret, and StorageError.
        """
        name = f"{self._prefix}/{owner}/{credentials_id}"
        text = self._get(name, deadline, fresh=False)
        if text is None:
            raise CredentialsError(f"There is no secret {name}. Create it with a JSON object that has an apiKey.")
        return _parse(text, credentials_id)

    def _get(self, name: str, deadline: Deadline, *, fresh: bool) -> str | None:
        if not fresh and self._clock() < self._missing_until.get(name, 0):
            return None
        try:
            value = deadline.run(lambda: self._fetch(name, fresh=fresh))
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in NOT_THERE:
                self._missing_until[name] = self._clock() + CACHED_SECONDS
                return None
            if code in NOT_ALLOWED:
                raise ConfigurationError(
                    f"The function may not read the secret {name} ({code}). Allow its role to, and to use its KMS key."
                ) from error
            raise StorageError(f"Secrets Manager did not answer ({code}). Try again.") from error
        except (BotoCoreError, GetParameterError, DeadlineExceededError) as error:
            raise StorageError(f"Secrets Manager did not answer ({type(error).__name__}). Try again.") from error
        return value if isinstance(value, str) else ""

    def _fetch(self, name: str, *, fresh: bool) -> object:
        try:
            return self._secrets.get(name, max_age=CACHED_SECONDS, force_fetch=fresh)
        except GetParameterError as error:
            # It wraps whatever went wrong, so that passing and lasting faults look alike.
            raise error.__context__ or error from None


def _parse(text: str, credentials_id: str) -> Credentials:
    try:
        secret = json.loads(text)
    except ValueError:
        secret = None
    if not isinstance(secret, dict):
        raise CredentialsError(f"The secret of {credentials_id} must be a JSON object with an apiKey.")
    base_url = _text(secret, "baseUrl", credentials_id)
    if base_url is not None and not is_base_url(base_url):
        raise CredentialsError(f"baseUrl in the secret of {credentials_id} must be an https URL.")
    api_key = _text(secret, "apiKey", credentials_id)
    if api_key is None:
        raise CredentialsError(f"The secret of {credentials_id} has no apiKey.")
    return Credentials(
        api_key=api_key,
        base_url=base_url.rstrip("/") if base_url else None,
        organization=_text(secret, "organization", credentials_id),
        project=_text(secret, "project", credentials_id),
    )


def _text(secret: dict[str, Any], name: str, credentials_id: str) -> str | None:
    """Return a value that may stand in an HTTP header: an exception about one that may not would show it."""
    value = secret.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or not value.isascii() or not value.isprintable() or " " in value.strip():
        raise CredentialsError(f"{name} in the secret of {credentials_id} must be a plain string without spaces.")
    return value.strip() or None
