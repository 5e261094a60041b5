"""The settings of links: each by itself, and together."""

import pytest

from generate_image.errors import ConfigurationError
from generate_image.settings import Settings

REQUIRED = {"IMAGE_BUCKET": "pictures", "IMAGE_NAMESPACE": "6f1c8a52-3f0e-4d0a-9a0b-5a5b1e0c7d11"}
OPEN = {"CLOUDFRONT_DOMAIN": "d111111abcdef8.cloudfront.net"}
KEY = {"CLOUDFRONT_KEY_PAIR_ID": "K2JCJMDEHXQW5F"}
SECRET = {"CLOUDFRONT_PRIVATE_KEY_SECRET": "generate-image/cloudfront/2026-11"}


def wrong(environ: dict[str, str]) -> dict[str, str]:
    with pytest.raises(ConfigurationError) as raised:
        Settings.from_mapping(REQUIRED | environ)
    return {error["field"]: error["problem"] for error in raised.value.errors}


@pytest.mark.parametrize("environ", [{}, OPEN, OPEN | KEY | SECRET])
def test_what_goes_together(environ: dict[str, str]) -> None:
    settings = Settings.from_mapping(REQUIRED | environ)

    assert settings.cloudfront_domain == environ.get("CLOUDFRONT_DOMAIN", "")
    assert settings.cloudfront_key_pair_id == environ.get("CLOUDFRONT_KEY_PAIR_ID", "")
    assert settings.cloudfront_private_key_secret == environ.get("CLOUDFRONT_PRIVATE_KEY_SECRET", "")


@pytest.mark.parametrize(
    ("environ", "missing"),
    [
        (OPEN | KEY, {"CLOUDFRONT_PRIVATE_KEY_SECRET"}),
        (OPEN | SECRET, {"CLOUDFRONT_KEY_PAIR_ID"}),
        (KEY | SECRET, {"CLOUDFRONT_DOMAIN"}),
        (KEY, {"CLOUDFRONT_DOMAIN", "CLOUDFRONT_PRIVATE_KEY_SECRET"}),
        (SECRET, {"CLOUDFRONT_DOMAIN", "CLOUDFRONT_KEY_PAIR_ID"}),
    ],
)
def test_each_that_is_missing_is_named(environ: dict[str, str], missing: set[str]) -> None:
    problems = wrong(environ)

    assert set(problems) == missing
    assert all(problem.startswith("must be set where ") for problem in problems.values())


def test_everything_that_is_wrong_is_listed_at_once() -> None:
    environ = {"CLOUDFRONT_DOMAIN": "https://pictures.example/", "CLOUDFRONT_KEY_PAIR_ID": "k-1"}

    assert set(wrong(environ | {"PICTURE_RETENTION_DAYS": "0", "DOWNLOAD_URL_SECONDS": "604801"})) == {
        "CLOUDFRONT_DOMAIN",
        "CLOUDFRONT_KEY_PAIR_ID",
        "CLOUDFRONT_PRIVATE_KEY_SECRET",
        "DOWNLOAD_URL_SECONDS",
        "PICTURE_RETENTION_DAYS",
    }


def test_a_presigned_link_lasts_an_hour_at_most() -> None:
    longer = {"DOWNLOAD_URL_SECONDS": "3601"}

    assert set(wrong(longer)) == {"DOWNLOAD_URL_SECONDS"}
    assert Settings.from_mapping(REQUIRED | OPEN | longer).download_url_seconds == 3601  # and nothing is signed
    assert Settings.from_mapping(REQUIRED | OPEN | KEY | SECRET | longer).download_url_seconds == 3601
