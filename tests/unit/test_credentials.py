"""The credential in a secret's text. No message shows a part of it."""

import json

import pytest

from generate_image.credentials import Credentials, parse_credentials
from generate_image.errors import CredentialsError


def parse(text: str, *, allows_local_hosts: bool = False) -> Credentials:
    return parse_credentials(text, "openai", allows_local_hosts=allows_local_hosts)


def test_all_fields_are_read() -> None:
    secret = {"apiKey": " sk-a ", "baseUrl": "https://eu.example/v1/", "organization": "org-1", "project": "proj-1"}

    assert parse(json.dumps(secret)) == Credentials("sk-a", "https://eu.example/v1", "org-1", "proj-1")
    assert parse('{"apiKey": "sk-a", "organization": "", "project": null}') == Credentials("sk-a")


@pytest.mark.parametrize(
    ("secret", "message"),
    [
        ("", "must be a JSON object"),
        ("not JSON", "must be a JSON object"),
        ('["apiKey"]', "must be a JSON object"),
        ("[" * 100_000, "must be a JSON object"),
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
def test_unusable_secret_is_refused(secret: str, message: str) -> None:
    with pytest.raises(CredentialsError, match=message) as raised:
        parse(secret)

    assert "sk-" not in str(raised.value)


def test_base_url_on_this_machine_is_used_only_locally() -> None:
    """In Lambda, the Runtime API and extensions listen there."""
    secret = json.dumps({"apiKey": "sk-a", "baseUrl": "http://127.0.0.1:9001/v1"})

    assert parse(secret, allows_local_hosts=True).base_url == "http://127.0.0.1:9001/v1"
    with pytest.raises(CredentialsError, match="must be an https URL"):
        parse(secret)


def test_repr_shows_nothing() -> None:
    assert "sk-" not in repr(Credentials("sk-a", "https://sk-b.example", "sk-c", "sk-d"))
