"""A signed link opens its picture until it ends, and nothing else opens."""

import time
from datetime import datetime
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from generate_image.errors import ConfigurationError
from generate_image.storage import end_of_lifetime
from local.account import Account
from local.openai_stand_in import StandIn
from tests.delivery.cloudfront_edge import admits
from tests.module import Module, event_for

DOMAIN = "d111111abcdef8.cloudfront.net"
KEY_PAIR_ID = "K2JCJMDEHXQW5F"
SECRET = "generate-image/cloudfront/2026-11"
SETTINGS = {
    "CLOUDFRONT_DOMAIN": DOMAIN,
    "CLOUDFRONT_KEY_PAIR_ID": KEY_PAIR_ID,
    "CLOUDFRONT_PRIVATE_KEY_SECRET": SECRET,
}


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, password: bytes | None = None) -> str:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()


def put_secret(account: Account, text: str) -> None:
    secrets = account.session().client("secretsmanager", endpoint_url=account.endpoint)
    secrets.create_secret(Name=SECRET, SecretString=text)


@pytest.fixture(scope="module")
def private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def key_group(private_key: rsa.RSAPrivateKey) -> dict[str, rsa.RSAPublicKey]:
    return {KEY_PAIR_ID: private_key.public_key()}


@pytest.fixture
def signing(module: Module, account: Account, private_key: rsa.RSAPrivateKey) -> Module:
    put_secret(account, pem(private_key))
    module.restart(**SETTINGS)
    return module


def seconds_of(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def test_cloudfront_admits_the_link_until_it_ends(signing: Module, key_group: dict[str, rsa.RSAPublicKey]) -> None:
    before = int(time.time())
    answer = signing.invoke(event_for("a lighthouse"))
    after = time.time()
    url, meta = answer["data"]["urlPath"], answer["_meta_"]
    ends = seconds_of(meta["url_expires_at"])

    assert urlsplit(url).hostname == DOMAIN
    assert urlsplit(url).path == f"/download/cli_1/{meta['image_id']}.png"
    assert before + 3600 <= ends <= after + 3600
    assert admits(url, key_group, now=ends - 1)
    assert not admits(url, key_group, now=ends)


def test_a_link_may_hold_for_days_but_never_longer_than_its_picture(signing: Module) -> None:
    signing.restart(DOWNLOAD_URL_SECONDS="604800", PICTURE_RETENTION_DAYS="1")
    answer = signing.invoke(event_for("a lighthouse"))
    [record] = signing.records()

    ends = seconds_of(answer["_meta_"]["url_expires_at"])
    assert ends == end_of_lifetime(record["picture"]["stored_at"], 1)


@pytest.mark.parametrize(
    "changes",
    [
        {"Expires": "4102444800"},
        {"Signature": "AAAA"},
        {"Key-Pair-Id": "K1SOMEBODYELSE"},
        {"Hash-Algorithm": "SHA1"},
    ],
)
def test_a_link_with_another_parameter_is_refused(
    signing: Module, key_group: dict[str, rsa.RSAPublicKey], changes: dict[str, str]
) -> None:
    url = signing.invoke(event_for("a lighthouse"))["data"]["urlPath"]
    base, _, query = url.partition("?")
    parameters = {name: values[0] for name, values in parse_qs(query).items()}

    assert admits(f"{base}?{urlencode(parameters)}", key_group, now=time.time())
    assert not admits(f"{base}?{urlencode(parameters | changes)}", key_group, now=time.time())


def test_a_link_opens_no_other_picture(signing: Module, key_group: dict[str, rsa.RSAPublicKey]) -> None:
    first = signing.invoke(event_for("a lighthouse"))["data"]["urlPath"]
    second = signing.invoke(event_for("a windmill"))["data"]["urlPath"]
    _, _, query = first.partition("?")
    base, _, _ = second.partition("?")

    assert not admits(f"{base}?{query}", key_group, now=time.time())
    assert not admits(first.replace(DOMAIN, "d222222abcdef8.cloudfront.net"), key_group, now=time.time())
    assert not admits(first.replace(".png?", ".json?"), key_group, now=time.time())


def test_a_link_signed_with_another_key_is_refused(signing: Module) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    url = signing.invoke(event_for("a lighthouse"))["data"]["urlPath"]

    assert not admits(url, {KEY_PAIR_ID: other}, now=time.time())


def test_a_replay_s_link_is_fresh(signing: Module, key_group: dict[str, rsa.RSAPublicKey], stand_in: StandIn) -> None:
    event = event_for("a lighthouse", idempotency_key="k")
    first = signing.invoke(event)
    signing.restart(DOWNLOAD_URL_SECONDS="86400")
    second = signing.invoke(event)

    assert second["_meta_"]["url_expires_at"] > first["_meta_"]["url_expires_at"]
    assert admits(second["data"]["urlPath"], key_group, now=seconds_of(first["_meta_"]["url_expires_at"]))
    assert stand_in.ledger()["billed"] == 1


def test_the_private_key_is_read_once(signing: Module, account: Account) -> None:
    signing.invoke(event_for("a lighthouse"))
    secrets = account.session().client("secretsmanager", endpoint_url=account.endpoint)
    secrets.delete_secret(SecretId=SECRET, ForceDeleteWithoutRecovery=True)

    assert signing.invoke(event_for("a windmill"))["data"]["urlPath"].startswith(f"https://{DOMAIN}/")


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
def test_a_key_that_cannot_sign_costs_no_picture(
    module: Module, account: Account, stand_in: StandIn, text: str
) -> None:
    put_secret(account, text or " ")
    module.restart(**SETTINGS)

    with pytest.raises(ConfigurationError, match="CLOUDFRONT_PRIVATE_KEY_SECRET") as raised:
        module.invoke(event_for("a lighthouse"))

    assert stand_in.ledger()["requests"] == 0
    assert module.keys() == []
    assert not text or text not in module.log.getvalue()
    assert raised.value.__cause__ is None


def test_a_key_that_is_not_there_costs_no_picture(module: Module, stand_in: StandIn) -> None:
    module.restart(**SETTINGS)

    with pytest.raises(ConfigurationError, match="CLOUDFRONT_PRIVATE_KEY_SECRET"):
        module.invoke(event_for("a lighthouse"))

    assert stand_in.ledger()["requests"] == 0
