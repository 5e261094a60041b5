"""Links through CloudFront to the private bucket: open to whoever holds them, or signed for a key group.

https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-signed-urls.html
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError
from botocore.signers import CloudFrontSigner

from generate_image.credentials import NOT_ALLOWED, NOT_THERE
from generate_image.deadline import Deadline, DeadlineExceededError
from generate_image.errors import ConfigurationError, StorageError
from generate_image.links import Link
from generate_image.storage import end_of_lifetime

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from mypy_boto3_secretsmanager import SecretsManagerClient

KEY_BITS = 2048
"""https://docs.aws.amazon.com/cloudfront/latest/APIReference/API_PublicKey.html"""


class OpenLinks:
    """Links that work for whoever holds them, for as long as the picture is there."""

    def __init__(self, domain: str, retention_days: int) -> None:
        self._domain = domain
        self._retention_days = retention_days

    def prepare(self, deadline: Deadline) -> None:
        """Do nothing: an open link is made of names alone."""

    def link(self, key: str, stored_at: float) -> Link:
        """Return the link to a picture. stored_at: when it was, in seconds since the epoch."""
        return Link.until(_url(self._domain, key), end_of_lifetime(stored_at, self._retention_days))


class SignedLinks:
    """Links that CloudFront answers for as long as their signature holds (a canned policy)."""

    def __init__(
        self,
        domain: str,
        signing_key: "SigningKey",
        seconds: int,
        retention_days: int,
        *,
        clock: Callable[[], float],
    ) -> None:
        """seconds: how long each signature holds. clock: seconds since the epoch."""
        self._domain = domain
        self._key = signing_key
        self._signer = CloudFrontSigner(signing_key.key_pair_id, signing_key.sign)
        self._seconds = seconds
        self._retention_days = retention_days
        self._clock = clock

    def prepare(self, deadline: Deadline) -> None:
        """Read the private key, the first time. Raises ConfigurationError and StorageError."""
        self._key.read(deadline)

    def link(self, key: str, stored_at: float) -> Link:
        """Return a fresh link to a picture. stored_at: when it was, in seconds since the epoch. It asks nobody."""
        signature_ends = int(self._clock()) + self._seconds
        url = self._signer.generate_presigned_url(
            _url(self._domain, key), date_less_than=datetime.fromtimestamp(signature_ends, UTC)
        )
        # botocore knows nothing of the hash yet, and CloudFront takes SHA-1 where none is named.
        url += "&Hash-Algorithm=SHA256"
        return Link.until(url, signature_ends, end_of_lifetime(stored_at, self._retention_days))


class SigningKey:
    """The private key of a public key that the distribution trusts: the PEM text of a secret.

    It is read once and kept for as long as the environment lives. A new key pair has another id, and so comes with
    settings of its own, which begin a new environment.
    """

    def __init__(self, client: "SecretsManagerClient", secret: str, key_pair_id: str) -> None:
        """secret: its name. key_pair_id: CloudFront's id of the public key."""
        self.key_pair_id = key_pair_id
        self._client = client
        self._secret = secret
        self._key: RSAPrivateKey | None = None

    def read(self, deadline: Deadline) -> None:
        """Fetch the key unless it is there. Raises ConfigurationError and StorageError."""
        if self._key is None:
            self._key = _parse(self._fetch(deadline))

    def sign(self, message: bytes) -> bytes:
        """Return the signature: RSASSA-PKCS1-v1_5 over SHA-256."""
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15  # noqa: PLC0415  # only who signs has it
        from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415  # likewise

        if self._key is None:
            raise AssertionError("read() comes first")
        return self._key.sign(message, PKCS1v15(), SHA256())

    def _fetch(self, deadline: Deadline) -> str:
        try:
            answer = deadline.run(lambda: self._client.get_secret_value(SecretId=self._secret))
        except (ClientError, BotoCoreError, DeadlineExceededError) as error:
            code = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
            if code in NOT_THERE | NOT_ALLOWED:
                raise ConfigurationError(
                    f"CLOUDFRONT_PRIVATE_KEY_SECRET names a secret that the function cannot read ({code})."
                ) from error
            raise StorageError(f"Secrets Manager did not give the key that signs links ({code}). Try again.") from error
        return answer.get("SecretString", "")


def _parse(pem: str) -> "RSAPrivateKey":
    try:
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415  # only who signs has it
        from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415  # likewise
    except ImportError:
        raise ConfigurationError(
            "Signing links takes the cryptography package, which is in the layer of a stack with "
            "Delivery=cloudfront-signed."
        ) from None
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError):  # neither may be shown: they may quote the key
        key = None
    if not isinstance(key, RSAPrivateKey) or key.key_size != KEY_BITS:
        raise ConfigurationError(
            f"The secret of CLOUDFRONT_PRIVATE_KEY_SECRET must hold an RSA key of {KEY_BITS} bits as PEM text, without "
            "a password."
        )
    return key


def _url(domain: str, key: str) -> str:
    """Return where the distribution has a picture: the path that its rewriting function takes back to the key."""
    return f"https://{domain}/download/{key.removeprefix('temporal/')}"
