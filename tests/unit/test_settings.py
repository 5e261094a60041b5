"""Settings come from a mapping; everything wrong with them is told at once."""

from uuid import UUID

import pytest

from generate_image.errors import ConfigurationError
from generate_image.settings import Settings

NEEDED = {"IMAGE_BUCKET": "pictures", "IMAGE_NAMESPACE": "6f1c8a52-3f0e-4d0a-9a0b-5a5b1e0c7d11"}


def test_only_what_names_this_stack_is_needed() -> None:
    settings = Settings.from_mapping(NEEDED)
    assert settings.image_bucket == "pictures"
    assert settings.image_namespace == UUID(NEEDED["IMAGE_NAMESPACE"])
    assert settings.image_models == ("gpt-image-2.6-flare", "gpt-image-2")
    assert settings.image_quality == "medium"
    assert settings.openai_base_url == "https://api.openai.com/v1"
    assert settings.when_outcome_unknown == "fail"


def test_values_are_parsed() -> None:
    settings = Settings.from_mapping(
        NEEDED
        | {
            "IMAGE_MODELS": " dall-e-3 , gpt-image-2,",
            "OPENAI_BASE_URL": "https://eu.api.openai.com/v1/",
            "DOWNLOAD_HOSTS": ".blob.core.windows.net,cdn.example.com",
            "DOWNLOAD_URL_SECONDS": "600",
            "WHEN_OUTCOME_UNKNOWN": "buy-again",
        }
    )
    assert settings.image_models == ("dall-e-3", "gpt-image-2")
    assert settings.openai_base_url == "https://eu.api.openai.com/v1"
    assert settings.download_hosts == (".blob.core.windows.net", "cdn.example.com")
    assert settings.download_url_seconds == 600
    assert settings.when_outcome_unknown == "buy-again"


def test_an_empty_value_counts_as_none() -> None:
    assert Settings.from_mapping(NEEDED | {"IMAGE_QUALITY": " ", "DOWNLOAD_HOSTS": ""}) == Settings.from_mapping(NEEDED)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("IMAGE_BUCKET", ""),
        ("IMAGE_BUCKET", "Not_A_Bucket"),
        ("IMAGE_NAMESPACE", ""),
        ("IMAGE_NAMESPACE", "a guid"),
        ("CREDENTIALS_PREFIX", "/leading"),
        ("IMAGE_MODELS", ","),
        ("IMAGE_MODELS", "a model"),
        ("IMAGE_QUALITY", "auto"),
        ("OPENAI_BASE_URL", "http://api.openai.com/v1"),
        ("OPENAI_BASE_URL", "http://host.docker.internal.example.com/v1"),
        ("OPENAI_BASE_URL", "https://user:secret@api.openai.com/v1"),
        ("OPENAI_BASE_URL", "api.openai.com"),
        ("OPENAI_BASE_URL", "https://[oops"),
        ("DOWNLOAD_HOSTS", "https://cdn.example.com"),
        ("WHEN_OUTCOME_UNKNOWN", "Yes"),
        ("DOWNLOAD_URL_SECONDS", "59"),
        ("DOWNLOAD_URL_SECONDS", "3601"),
        ("DOWNLOAD_URL_SECONDS", "1e3"),
    ],
)
def test_a_wrong_value_is_named(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"{name} must be ") as caught:
        Settings.from_mapping(NEEDED | {name: value})
    assert [error["field"] for error in caught.value.errors] == [name]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "host.docker.internal"])
def test_the_provider_may_be_spoken_to_without_tls_on_the_developer_s_own_machine(host: str) -> None:
    url = f"http://{host}:8100/v1"

    assert Settings.from_mapping(NEEDED | {"OPENAI_BASE_URL": url}).openai_base_url == url


def test_every_wrong_value_is_named_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_mapping({"IMAGE_QUALITY": "best", "DOWNLOAD_URL_SECONDS": "0"})
    named = {error["field"] for error in caught.value.errors}
    assert named == {"IMAGE_BUCKET", "IMAGE_NAMESPACE", "IMAGE_QUALITY", "DOWNLOAD_URL_SECONDS"}
