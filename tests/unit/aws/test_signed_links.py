"""A signed link opens its picture until it ends, and no other picture."""

from typing import TYPE_CHECKING, cast
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from generate_image.aws.links import OpenLinks, PresignedLinks, SignedLinks, links_for
from generate_image.aws.signed_links import SigningKey
from generate_image.errors import ConfigurationError, StorageError
from generate_image.picture import end_of_lifetime
from generate_image.settings import Settings
from tests.cloudfront_edge import admits
from tests.secrets_manager import MemorySecretsManager, secrets_error

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient

DOMAIN = "d111111abcdef8.cloudfront.net"
KEY_PAIR_ID = "K2JCJMDEHXQW5F"
SECRET = "generate-image/cloudfront/2026-11"
KEY = "temporal/cli_1/0f5c2c3e-6d0b-5f86-9a59-3b8d1f0c6a11.png"
NOW = 1_800_000_000.0


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, password: bytes | None = None) -> str:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()


@pytest.fixture(scope="module")
def private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def secrets(private_key: rsa.RSAPrivateKey) -> MemorySecretsManager:
    return MemorySecretsManager({SECRET: pem(private_key)})


@pytest.fixture
def key_group(private_key: rsa.RSAPrivateKey) -> dict[str, rsa.RSAPublicKey]:
    return {KEY_PAIR_ID: private_key.public_key()}


def signed(secrets: MemorySecretsManager, seconds: int = 3600, retention_days: int = 7) -> SignedLinks:
    signing_key = SigningKey(cast("SecretsManagerClient", secrets), SECRET, KEY_PAIR_ID)
    return SignedLinks(DOMAIN, signing_key, seconds, retention_days, clock=lambda: NOW)


def signed_url(secrets: MemorySecretsManager, key: str = KEY) -> str:
    links = signed(secrets)
    links.prepare()
    return links.link(key, NOW).url


def test_cloudfront_admits_a_link_until_it_ends(
    secrets: MemorySecretsManager, key_group: dict[str, rsa.RSAPublicKey]
) -> None:
    url = signed_url(secrets)

    assert urlsplit(url).hostname == DOMAIN
    assert urlsplit(url).path == f"/download/{KEY.removeprefix('temporal/')}"
    assert admits(url, key_group, now=NOW + 3599)
    assert not admits(url, key_group, now=NOW + 3600)


def test_link_ends_with_its_picture(secrets: MemorySecretsManager) -> None:
    links = signed(secrets, seconds=604_800, retention_days=1)
    links.prepare()

    assert links.link(KEY, NOW).expires_at == "2027-01-17T00:00:00Z"
    assert end_of_lifetime(NOW, 1) == 1_800_144_000


@pytest.mark.parametrize(
    "changes",
    [
        {"Expires": "4102444800"},
        {"Key-Pair-Id": "K1SOMEBODYELSE"},
        {"Hash-Algorithm": "SHA1"},
    ],
)
def test_changed_link_is_refused(
    secrets: MemorySecretsManager, key_group: dict[str, rsa.RSAPublicKey], changes: dict[str, str]
) -> None:
    base, _, query = signed_url(secrets).partition("?")
    parameters = {name: values[0] for name, values in parse_qs(query).items()}

    assert admits(f"{base}?{urlencode(parameters)}", key_group, now=NOW)
    assert not admits(f"{base}?{urlencode(parameters | changes)}", key_group, now=NOW)


def test_link_opens_no_other_picture(secrets: MemorySecretsManager, key_group: dict[str, rsa.RSAPublicKey]) -> None:
    url = signed_url(secrets)
    _, _, query = url.partition("?")
    other, _, _ = signed_url(secrets, "temporal/cli_2/other.png").partition("?")

    assert not admits(f"{other}?{query}", key_group, now=NOW)
    assert not admits(url.replace(DOMAIN, "d222222abcdef8.cloudfront.net"), key_group, now=NOW)
    assert not admits(url.replace(".png?", ".json?"), key_group, now=NOW)


def test_private_key_is_read_once(secrets: MemorySecretsManager) -> None:
    links = signed(secrets)
    for _ in range(3):
        links.prepare()

    assert secrets.reads == [SECRET]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no key",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        pem(rsa.generate_private_key(public_exponent=65537, key_size=3072)),
        pem(rsa.generate_private_key(public_exponent=65537, key_size=2048), password=b"secret"),
        pem(ec.generate_private_key(ec.SECP256R1())),
    ],
    ids=["empty", "text", "truncated", "3072 bits", "password", "elliptic curve"],
)
def test_unusable_key_is_refused_without_its_text(text: str) -> None:
    with pytest.raises(ConfigurationError, match="CLOUDFRONT_PRIVATE_KEY_SECRET") as raised:
        signed(MemorySecretsManager({SECRET: text})).prepare()

    assert not text or text not in str(raised.value)
    assert raised.value.__cause__ is None


@pytest.mark.parametrize("secrets", [MemorySecretsManager(), MemorySecretsManager(deleted={SECRET})])
def test_missing_key_names_the_setting(secrets: MemorySecretsManager) -> None:
    with pytest.raises(ConfigurationError, match="CLOUDFRONT_PRIVATE_KEY_SECRET"):
        signed(secrets).prepare()


@pytest.mark.parametrize(
    ("code", "error"), [("AccessDeniedException", ConfigurationError), ("ThrottlingException", StorageError)]
)
def test_failed_read_is_mapped(code: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        signed(MemorySecretsManager(failing=secrets_error(code))).prepare()


def test_settings_select_the_kind_of_link(secrets: MemorySecretsManager) -> None:
    required = {"IMAGE_BUCKET": "pictures", "IMAGE_NAMESPACE": "6f1c8a52-3f0e-4d0a-9a0b-5a5b1e0c7d11"}
    is_open = {"CLOUDFRONT_DOMAIN": DOMAIN}
    is_signed = is_open | {"CLOUDFRONT_KEY_PAIR_ID": KEY_PAIR_ID, "CLOUDFRONT_PRIVATE_KEY_SECRET": SECRET}
    kinds = [
        links_for(
            Settings.from_mapping(required | environ),
            cast("S3Client", None),
            cast("SecretsManagerClient", secrets),
            clock=lambda: NOW,
        )
        for environ in ({}, is_open, is_signed)
    ]

    assert [type(links) for links in kinds] == [PresignedLinks, OpenLinks, SignedLinks]
