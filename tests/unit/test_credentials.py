"""The credential in a secret's text. No message shows a part of it."""

import json

import pytest

from generate_image.credentials import Credentials, parse_credentials
from generate_image.errors import CredentialsError

LOCAL = '{"apiKey": "sk-a", "baseUrl": "http://127.0.0.1:9001/v1"}'


def parse(text: str, *, allows_local_hosts: bool = False) -> Credentials:
    return parse_credentials(text, "openai", allows_local_hosts=allows_local_hosts)


def test_all_fields_are_read() -> None:
    secret = {"apiKey": " sk-a ", "baseUrl": "https://eu.example/v1/", "organization": "org-1", "project": "proj-1"}
    assert parse(json.dumps(secret)) == Credentials("sk-a", "https://eu.example/v1", "org-1", "proj-1")
    assert parse('{"apiKey": "sk-a", "organization": "", "project": null}') == Credentials("sk-a")
    assert parse(LOCAL, allows_local_hosts=True).base_url == "http://127.0.0.1:9001/v1"
    for amount, expected in ((5, 5_000_000), (12.5, 12_500_000), ("0.04", 40_000), (0, 0), (None, None)):
        assert parse(json.dumps({"apiKey": "sk-a", "monthlyBudgetUsd": amount})).monthly_budget == expected
    assert "sk-" not in repr(Credentials("sk-a", "https://sk-b.example", "sk-c", "sk-d"))


@pytest.mark.parametrize(
    ("secret", "message"),
    [
        ("", "must be a JSON object"),
        ('["apiKey"]', "must be a JSON object"),
        ("[" * 100_000, "must be a JSON object"),
        ("{}", "has no apiKey"),
        ('{"apiKey": "  "}', "has no apiKey"),
        ('{"apiKey": 7}', "must be a plain string"),
        ('{"apiKey": "sk-two words"}', "must be a plain string"),
        ('{"apiKey": "sk-line\\r\\nX-Evil: 1"}', "must be a plain string"),
        ('{"apiKey": "sk-ñ"}', "must be a plain string"),
        ('{"apiKey": "sk-a", "organization": "org\\n"}', "organization .* must be a plain string"),
        ('{"apiKey": "sk-a", "project": "p q"}', "project .* must be a plain string"),
        ('{"apiKey": "sk-a", "baseUrl": "http://api.example/v1"}', "must be an https URL"),
        (LOCAL, "must be an https URL"),  # in Lambda, the Runtime API and extensions listen there
        *(
            (f'{{"apiKey": "sk-a", "monthlyBudgetUsd": {amount}}}', "monthlyBudgetUsd .* must be an amount in US")
            for amount in ("true", '"five"', "-1", '"1e9"', "1.0000001", "[]", '"5,00"')
        ),
    ],
)
def test_unusable_secret_is_refused(secret: str, message: str) -> None:
    with pytest.raises(CredentialsError, match=message) as raised:
        parse(secret)
    assert "sk-" not in str(raised.value)
