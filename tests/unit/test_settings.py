"""Settings come from a mapping. One error names every wrong setting."""

from uuid import UUID

import pytest

from generate_image.errors import ConfigurationError
from generate_image.settings import Settings, is_base_url

NEEDED = {"IMAGE_BUCKET": "pictures", "IMAGE_NAMESPACE": "6f1c8a52-3f0e-4d0a-9a0b-5a5b1e0c7d11"}


def test_bucket_and_namespace_are_enough() -> None:
    settings = Settings.from_mapping(NEEDED)
    assert settings.image_bucket == "pictures"
    assert settings.image_namespace == UUID(NEEDED["IMAGE_NAMESPACE"])
    assert settings.image_models == ("gpt-image-2.6-flare", "gpt-image-2")
    assert settings.image_quality == "medium"
    assert settings.openai_base_url == "https://api.openai.com/v1"
    assert settings.when_outcome_unknown == "fail"
    assert settings.api_authorization == "iam"


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


def test_empty_value_counts_as_absent() -> None:
    assert Settings.from_mapping(NEEDED | {"IMAGE_QUALITY": " ", "DOWNLOAD_HOSTS": ""}) == Settings.from_mapping(NEEDED)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("IMAGE_BUCKET", ""),
        ("IMAGE_BUCKET", "Not_A_Bucket"),
        ("IMAGE_BUCKET", "pictures--use1-az4--x-s3"),
        ("IMAGE_NAMESPACE", ""),
        ("IMAGE_NAMESPACE", "a guid"),
        ("CREDENTIALS_PREFIX", "/leading"),
        ("IMAGE_MODELS", ","),
        ("IMAGE_MODELS", "a model"),
        ("IMAGE_QUALITY", "auto"),
        ("OPENAI_BASE_URL", "http://api.openai.com/v1"),
        ("DOWNLOAD_HOSTS", "https://cdn.example.com"),
        ("WHEN_OUTCOME_UNKNOWN", "Yes"),
        ("DOWNLOAD_URL_SECONDS", "59"),
        ("DOWNLOAD_URL_SECONDS", "3601"),
        ("DOWNLOAD_URL_SECONDS", "1e3"),
        ("STATE_MACHINE_ARN", "generate-image"),
        ("API_AUTHORIZATION", "open"),
    ],
)
def test_wrong_value_is_named(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"{name} must be ") as caught:
        Settings.from_mapping(NEEDED | {name: value})
    assert [error["field"] for error in caught.value.errors] == [name]


def test_every_wrong_value_is_named_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_mapping({"IMAGE_QUALITY": "best", "DOWNLOAD_URL_SECONDS": "0"})
    named = {error["field"] for error in caught.value.errors}
    assert named == {"IMAGE_BUCKET", "IMAGE_NAMESPACE", "IMAGE_QUALITY", "DOWNLOAD_URL_SECONDS"}


def test_signed_links_need_all_their_settings() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_mapping(NEEDED | {"CLOUDFRONT_KEY_PAIR_ID": "K2JCJMDEHXQW5F"})
    assert {error["field"] for error in caught.value.errors} == {"CLOUDFRONT_DOMAIN", "CLOUDFRONT_PRIVATE_KEY_SECRET"}


def test_open_links_may_last_longer_than_presigned_links() -> None:
    domain = {"CLOUDFRONT_DOMAIN": "d111111abcdef8.cloudfront.net", "DOWNLOAD_URL_SECONDS": "604800"}
    assert Settings.from_mapping(NEEDED | domain).download_url_seconds == 604_800


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "host.docker.internal"])
@pytest.mark.parametrize(
    ("environ", "is_allowed"),
    [
        ({}, True),
        ({"AWS_LAMBDA_FUNCTION_NAME": "generate", "AWS_SAM_LOCAL": "true"}, True),
        ({"AWS_LAMBDA_FUNCTION_NAME": "generate"}, False),
    ],
    ids=["laptop", "sam local", "Lambda"],
)
def test_local_provider_is_refused_in_lambda(host: str, environ: dict[str, str], is_allowed: bool) -> None:  # noqa: FBT001
    settings = NEEDED | environ | {"OPENAI_BASE_URL": f"http://{host}:8100/v1"}
    if is_allowed:
        assert Settings.from_mapping(settings).openai_base_url == settings["OPENAI_BASE_URL"]
    else:
        with pytest.raises(ConfigurationError, match="OPENAI_BASE_URL must be"):
            Settings.from_mapping(settings)


@pytest.mark.parametrize(
    "url",
    [
        "api.openai.com",
        "https://[oops",
        "https://user:secret@api.openai.com/v1",
        "https://:pw@host/v1",
        "https://ex ample/v1",
        "https://host:0/v1",
        "https://host/v1?x=1",
        "https://host/v1#",
        "http://host.docker.internal.example.com/v1",
        "http://127.0.0.1:9001/2018-06-01/runtime/init/error#",
    ],
)
def test_base_url_has_no_credentials_query_or_fragment(url: str) -> None:
    assert not is_base_url(url, allows_local_hosts=True)
