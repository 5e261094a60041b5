"""A link opens its picture and no other one, and states when it ends."""

import base64
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, cast
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from generate_image.aws.clients import Clients
from generate_image.aws.links import Link, Links, links_for
from generate_image.errors import ConfigurationError, GenerateImageError, StorageError
from generate_image.picture import end_of_lifetime
from generate_image.settings import Settings
from tests.secrets_manager import MemorySecretsManager, secrets_error

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient

KEY = "temporal/cli_1/0f5c2c3e-6d0b-5f86-9a59-3b8d1f0c6a11.png"
DOMAIN = "d111111abcdef8.cloudfront.net"
CLOUDFRONT_URL = f"https://{DOMAIN}/download/{KEY.removeprefix('temporal/')}"
SECRET = "generate-image/cloudfront/2026-11"
NOW = 1_800_000_000.0
SIGNED = {
    "CLOUDFRONT_DOMAIN": DOMAIN,
    "CLOUDFRONT_KEY_PAIR_ID": "K2JCJMDEHXQW5F",
    "CLOUDFRONT_PRIVATE_KEY_SECRET": SECRET,
}


def links(region: str = "eu-west-1", secrets: MemorySecretsManager | None = None, **settings: str) -> Links:
    required = {"IMAGE_BUCKET": "pictures", "IMAGE_NAMESPACE": "6f1c8a52-3f0e-4d0a-9a0b-5a5b1e0c7d11"}
    parsed = Settings.from_mapping(required | settings)
    return links_for(parsed, s3_client(region), cast("SecretsManagerClient", secrets), clock=lambda: NOW)


@cache
def s3_client(region: str) -> "S3Client":
    return Clients({}, session=boto3.Session("AKIDEXAMPLE", "secret", region_name=region)).s3


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, password: bytes | None = None) -> str:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()


@pytest.mark.parametrize(
    ("region", "bucket", "base"),
    [
        ("us-east-1", "pictures", "https://pictures.s3.amazonaws.com"),  # the global endpoint is in this region
        ("eu-west-1", "pictures", "https://pictures.s3.eu-west-1.amazonaws.com"),
        ("mx-central-1", "pictures", "https://pictures.s3.mx-central-1.amazonaws.com"),  # opt-in: not the global one
        ("cn-north-1", "pictures", "https://pictures.s3.cn-north-1.amazonaws.com.cn"),
        # The certificate of *.s3.eu-west-1.amazonaws.com does not cover a name with a dot.
        ("eu-west-1", "pictures.example", "https://s3.eu-west-1.amazonaws.com/pictures.example"),
    ],
)
def test_presigned_link_names_the_regional_host(region: str, bucket: str, base: str) -> None:
    url, _, query = links(region, IMAGE_BUCKET=bucket).link(KEY, NOW).url.partition("?")
    assert url == f"{base}/{KEY}"
    assert f"/{region}/s3/aws4_request" in parse_qs(query)["X-Amz-Credential"][0]


def test_presigned_link_ends_with_its_signature_or_its_picture() -> None:
    now = datetime.now(UTC).timestamp()
    link = links(DOWNLOAD_URL_SECONDS="600").link(KEY, now)
    query = parse_qs(urlsplit(link.url).query)
    signed_at = datetime.strptime(query["X-Amz-Date"][0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    assert (query["X-Amz-Algorithm"], query["X-Amz-Expires"]) == (["AWS4-HMAC-SHA256"], ["600"])
    assert (datetime.fromisoformat(link.expires_at) - signed_at).total_seconds() == 600
    old = now - 8 * 86_400
    assert datetime.fromisoformat(links().link(KEY, old).expires_at).timestamp() == end_of_lifetime(old, 7)


def test_open_link_ends_with_its_picture() -> None:
    assert links(CLOUDFRONT_DOMAIN=DOMAIN).link(KEY, NOW) == Link(CLOUDFRONT_URL, "2027-01-23T00:00:00Z")


def test_signed_link_has_the_policy_that_cloudfront_makes() -> None:
    """https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-creating-signed-url-canned-policy.html"""
    private_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    secrets = MemorySecretsManager({SECRET: pem(private_key)})
    found = links(secrets=secrets, DOWNLOAD_URL_SECONDS="3600", **SIGNED)
    for _ in range(3):
        found.prepare()
    link = found.link(KEY, NOW)
    assert secrets.reads == [SECRET]
    assert link.expires_at == "2027-01-15T09:00:00Z"
    base, _, query = link.url.partition("?")
    assert base == CLOUDFRONT_URL
    parameters = {name: values[0] for name, values in parse_qs(query).items()}
    signature = base64.b64decode(parameters.pop("Signature").translate(str.maketrans("-_~", "+=/")), validate=True)
    ends = 1_800_003_600
    assert parameters == {"Expires": str(ends), "Key-Pair-Id": "K2JCJMDEHXQW5F", "Hash-Algorithm": "SHA256"}
    policy = f'{{"Statement":[{{"Resource":"{base}","Condition":{{"DateLessThan":{{"AWS:EpochTime":{ends}}}}}}}]}}'
    private_key.public_key().verify(signature, policy.encode(), PKCS1v15(), SHA256())
    assert found.link(KEY, NOW - 8 * 86_400).expires_at == "2027-01-15T00:00:00Z"


PEMS = {
    "empty": "",
    "truncated": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    "3072": pem(rsa.generate_private_key(public_exponent=65537, key_size=3072)),
    "password": pem(rsa.generate_private_key(public_exponent=65537, key_size=2048), password=b"secret"),
    "curve": pem(ec.generate_private_key(ec.SECP256R1())),
}


@pytest.mark.parametrize(
    ("secrets", "error"),
    [
        *(pytest.param(MemorySecretsManager({SECRET: PEMS[name]}), ConfigurationError, id=name) for name in PEMS),
        (MemorySecretsManager(), ConfigurationError),
        (MemorySecretsManager(deleted={SECRET}), ConfigurationError),
        (MemorySecretsManager(failing=secrets_error("AccessDeniedException")), ConfigurationError),
        (MemorySecretsManager(failing=secrets_error("ThrottlingException")), StorageError),
    ],
)
def test_unusable_signing_key_is_refused_without_its_text(
    secrets: MemorySecretsManager, error: type[GenerateImageError]
) -> None:
    with pytest.raises(error, match=f"CLOUDFRONT_PRIVATE_KEY_SECRET|{SECRET}") as raised:
        links(secrets=secrets, **SIGNED).prepare()
    text = secrets.texts.get(SECRET)
    assert not text or text not in str(raised.value)
    assert raised.value.__cause__ is None or text is None
