"""A link leads to the bucket's regional host and states when it ends."""

from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest

from generate_image.aws.clients import Clients
from generate_image.aws.links import Link, OpenLinks, PresignedLinks
from generate_image.picture import end_of_lifetime

KEY = "temporal/cli_1/0f5c2c3e-6d0b-5f86-9a59-3b8d1f0c6a11.png"
NOW = 1_800_000_000.0


def presigned(region: str, bucket: str = "pictures", seconds: int = 3600, **environ: str) -> PresignedLinks:
    session = boto3.Session("AKIDEXAMPLE", "secret", region_name=region)
    return PresignedLinks(Clients(environ, session=session).s3, bucket, seconds, retention_days=7)


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("us-east-1", "pictures.s3.amazonaws.com"),  # the global endpoint is in this region
        ("ap-southeast-2", "pictures.s3.ap-southeast-2.amazonaws.com"),
        ("eu-west-1", "pictures.s3.eu-west-1.amazonaws.com"),
        ("mx-central-1", "pictures.s3.mx-central-1.amazonaws.com"),  # opt-in: the global endpoint does not lead there
        ("us-gov-west-1", "pictures.s3.us-gov-west-1.amazonaws.com"),
        ("cn-north-1", "pictures.s3.cn-north-1.amazonaws.com.cn"),
    ],
)
def test_link_names_the_regional_host(region: str, host: str) -> None:
    url = urlsplit(presigned(region).link(KEY, NOW).url)

    assert (url.scheme, url.hostname, url.path) == ("https", host, f"/{KEY}")
    assert f"/{region}/s3/aws4_request" in parse_qs(url.query)["X-Amz-Credential"][0]


def test_dotted_bucket_is_part_of_the_path() -> None:
    """The certificate of ``*.s3.eu-west-1.amazonaws.com`` does not cover its name."""
    url = urlsplit(presigned("eu-west-1", "pictures.example").link(KEY, NOW).url)

    assert (url.hostname, url.path) == ("s3.eu-west-1.amazonaws.com", f"/pictures.example/{KEY}")


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:5000", "http://host.docker.internal:5000"])
def test_local_endpoint_keeps_its_host(endpoint: str) -> None:
    link = presigned("eu-west-1", AWS_ENDPOINT_URL=endpoint).link(KEY, NOW)

    assert link.url.startswith(f"{endpoint}/pictures/{KEY}?")


@pytest.mark.parametrize("seconds", [60, 3600])
def test_presigned_link_ends_with_its_signature(seconds: int) -> None:
    link = presigned("eu-west-1", seconds=seconds).link(KEY, datetime.now(UTC).timestamp())

    query = parse_qs(urlsplit(link.url).query)
    signed_at = datetime.strptime(query["X-Amz-Date"][0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert query["X-Amz-Expires"] == [str(seconds)]
    assert (datetime.fromisoformat(link.expires_at) - signed_at).total_seconds() == seconds


def test_presigned_link_ends_with_its_picture() -> None:
    stored_at = datetime.now(UTC).timestamp() - 8 * 86_400

    expires_at = datetime.fromisoformat(presigned("eu-west-1").link(KEY, stored_at).expires_at)

    assert expires_at.timestamp() == end_of_lifetime(stored_at, 7)


@pytest.mark.parametrize(
    ("stored_at", "days", "ends"),
    [
        ("2014-01-15T10:30:00Z", 3, "2014-01-19T00:00:00Z"),  # the example of S3's documentation
        ("2026-11-22T23:59:59Z", 1, "2026-11-24T00:00:00Z"),
        ("2026-11-22T00:00:01Z", 1, "2026-11-24T00:00:00Z"),
        ("2028-02-28T12:00:00Z", 1, "2028-03-01T00:00:00Z"),
    ],
)
def test_open_link_ends_with_its_picture(stored_at: str, days: int, ends: str) -> None:
    link = OpenLinks("d111111abcdef8.cloudfront.net", days).link(KEY, datetime.fromisoformat(stored_at).timestamp())

    assert link == Link(f"https://d111111abcdef8.cloudfront.net/download/{KEY.removeprefix('temporal/')}", ends)
