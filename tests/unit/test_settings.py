"""Settings come from a mapping. One error names every wrong setting."""

from typing import Any
from uuid import UUID

import pytest

from generate_image.errors import ConfigurationError
from generate_image.options import OPTIONS
from generate_image.settings import Settings

NEEDED = {"IMAGE_BUCKET": "pictures", "IMAGE_NAMESPACE": "6f1c8a52-3f0e-4d0a-9a0b-5a5b1e0c7d11"}
OPEN = NEEDED | {"CLOUDFRONT_DOMAIN": "d111111abcdef8.cloudfront.net"}
SIGNING = {"CLOUDFRONT_KEY_PAIR_ID": "K2JCJMDEHXQW5F", "CLOUDFRONT_PRIVATE_KEY_SECRET": "2026-11"}


def wrong(environ: dict[str, str]) -> set[str]:
    """Return the settings that the error names."""
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_mapping(environ)
    assert all(f"{error['field']} {error['problem']}" in str(caught.value) for error in caught.value.errors)
    return {error["field"] for error in caught.value.errors}


def test_bucket_and_namespace_are_enough() -> None:
    namespace = UUID(NEEDED["IMAGE_NAMESPACE"])
    expected = Settings(image_bucket="pictures", image_namespace=namespace, allows_local_hosts=True)
    assert Settings.from_mapping(NEEDED | {"IMAGE_QUALITY": " ", "DOWNLOAD_HOSTS": ""}) == expected


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("IMAGE_MODELS", " dall-e-3 , gpt-image-2,", ("dall-e-3", "gpt-image-2")),
        ("CALLER_OPTIONS", "none", ()),
        ("CALLER_OPTIONS", f" {', '.join(OPTIONS)},", OPTIONS),
        ("OPENAI_BASE_URL", "https://eu.api.openai.com/v1/", "https://eu.api.openai.com/v1"),
        ("DOWNLOAD_HOSTS", ".blob.core.windows.net,cdn.example.com", (".blob.core.windows.net", "cdn.example.com")),
        ("DOWNLOAD_URL_SECONDS", "600", 600),
        ("MAX_PICTURE_USD", "0.5", 500_000),
        ("WHEN_OUTCOME_UNKNOWN", "buy-again", "buy-again"),
    ],
)
def test_value_is_parsed(name: str, text: str, value: Any) -> None:  # noqa: ANN401  # of any type
    assert getattr(Settings.from_mapping(NEEDED | {name: text}), name.lower()) == value


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("IMAGE_BUCKET", ["", "Not_A_Bucket", "pictures--use1-az4--x-s3"]),
        ("IMAGE_NAMESPACE", ["", "a guid"]),
        ("CREDENTIALS_PREFIX", ["/leading"]),
        ("IMAGE_MODELS", [",", "a model"]),
        ("IMAGE_QUALITY", ["auto"]),
        ("CALLER_OPTIONS", [",", "quality,n"]),
        ("OPENAI_BASE_URL", ["api.openai.com", "http://api.openai.com/v1", "http://localhost.example.com/v1"]),
        ("OPENAI_BASE_URL", ["https://[oops", "https://ex ample/v1", "https://host:0/v1", "https://höst/v1"]),
        ("OPENAI_BASE_URL", ["https://user:secret@host/v1", "https://host/v1?x=1", "https://host/v1#"]),
        ("DOWNLOAD_HOSTS", ["https://cdn.example.com"]),
        ("WHEN_OUTCOME_UNKNOWN", ["Yes"]),
        ("DOWNLOAD_URL_SECONDS", ["59", "3601", "604801", "1e3", "1_000"]),
        ("MONTHLY_BUDGET_USD", ["-1", "1e3", "0.0000001"]),
        ("CLOUDFRONT_DOMAIN", ["https://pictures.example"]),
        ("STATE_MACHINE_ARN", ["generate-image"]),
        ("API_AUTHORIZATION", ["open"]),
    ],
)
def test_wrong_value_is_named(name: str, values: list[str]) -> None:
    for value in values:
        assert wrong(NEEDED | {name: value}) == {name}


def test_every_wrong_setting_is_named_at_once() -> None:
    named = wrong({"IMAGE_QUALITY": "best", "DOWNLOAD_URL_SECONDS": "0"})
    assert named == {"IMAGE_BUCKET", "IMAGE_NAMESPACE", "IMAGE_QUALITY", "DOWNLOAD_URL_SECONDS"}


def test_signed_links_need_all_their_settings() -> None:
    for name, value in SIGNING.items():
        assert wrong(NEEDED | {name: value}) == {"CLOUDFRONT_DOMAIN", *SIGNING} - {name}
    assert Settings.from_mapping(OPEN | SIGNING).cloudfront_key_pair_id == "K2JCJMDEHXQW5F"
    # Open links may last longer than presigned ones.
    assert Settings.from_mapping(OPEN | {"DOWNLOAD_URL_SECONDS": "604800"}).download_url_seconds == 604_800


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "host.docker.internal"])
def test_local_provider_is_refused_in_lambda(host: str) -> None:
    settings = NEEDED | {"OPENAI_BASE_URL": f"http://{host}:8100/v1"}
    in_lambda = settings | {"AWS_LAMBDA_FUNCTION_NAME": "generate"}
    for environ in (settings, in_lambda | {"AWS_SAM_LOCAL": "true"}):
        assert Settings.from_mapping(environ).openai_base_url == settings["OPENAI_BASE_URL"]
    assert wrong(in_lambda) == {"OPENAI_BASE_URL"}
