"""The provider credential that a secret holds."""

import json
from dataclasses import dataclass, field
from typing import Any

from generate_image.errors import CredentialsError
from generate_image.money import MicroUsd, parse_usd
from generate_image.settings import is_base_url


@dataclass(frozen=True, slots=True)
class Credentials:
    """The content of a secret. ``repr`` shows no part of it."""

    api_key: str = field(repr=False)
    base_url: str | None = field(default=None, repr=False)
    organization: str | None = field(default=None, repr=False)
    project: str | None = field(default=None, repr=False)
    monthly_budget: MicroUsd | None = None
    """Replaces MONTHLY_BUDGET_USD. None: the secret has none."""


def parse_credentials(text: str, name: str, *, allows_local_hosts: bool) -> Credentials:
    """Return the credentials in a secret's text. name: the credential's name, for messages. Raises CredentialsError.

    allows_local_hosts: whether ``baseUrl`` may be an http URL of this machine.
    """
    try:
        secret = json.loads(text)
    except (ValueError, RecursionError):
        secret = None
    if not isinstance(secret, dict):
        raise CredentialsError(f"The secret of {name} must be a JSON object with an apiKey.")
    base_url = _header_value(secret, "baseUrl", name)
    if base_url is not None and not is_base_url(base_url, allows_local_hosts=allows_local_hosts):
        raise CredentialsError(f"baseUrl in the secret of {name} must be an https URL without query or fragment.")
    api_key = _header_value(secret, "apiKey", name)
    if api_key is None:
        raise CredentialsError(f"The secret of {name} has no apiKey.")
    return Credentials(
        api_key=api_key,
        base_url=base_url.rstrip("/") if base_url else None,
        organization=_header_value(secret, "organization", name),
        project=_header_value(secret, "project", name),
        monthly_budget=_monthly_budget(secret.get("monthlyBudgetUsd"), name),
    )


def _monthly_budget(value: object, name: str) -> MicroUsd | None:
    if value is None:
        return None
    try:
        return parse_usd(str(value))
    except ValueError as error:
        raise CredentialsError(f"monthlyBudgetUsd in the secret of {name} must be {error}.") from None


def _header_value(secret: dict[str, Any], field_name: str, name: str) -> str | None:
    """Return a value that an HTTP header can hold. An exception from the HTTP library would quote a wrong one."""
    value = secret.get(field_name)
    if value is None:
        return None
    if not isinstance(value, str) or not value.isascii() or not value.isprintable() or " " in value.strip():
        raise CredentialsError(f"{field_name} in the secret of {name} must be a plain string without spaces.")
    return value.strip() or None
