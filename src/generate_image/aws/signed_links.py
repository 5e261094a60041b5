"""Signed URLs of CloudFront, for a key group.

https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-creating-signed-url-canned-policy.html
"""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from botocore.signers import CloudFrontSigner

from generate_image.aws.call import ExpectedAwsError
from generate_image.aws.secrets import DELETED_SECRET, NO_SECRET, secret_text
from generate_image.errors import ConfigurationError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from mypy_boto3_secretsmanager import SecretsManagerClient

KEY_BITS = 2048
"""https://docs.aws.amazon.com/cloudfront/latest/APIReference/API_PublicKey.html"""


class SigningKey:
    """The private key of a public key that the distribution trusts, from a secret with its PEM text.

    It is read once for each execution environment. A new key pair has another id, and so new settings and environments.
    """

    def __init__(self, client: "SecretsManagerClient", secret: str, key_pair_id: str) -> None:
        """secret: its name. key_pair_id: CloudFront's id of the public key."""
        self._client = client
        self._secret = secret
        self._signer = CloudFrontSigner(key_pair_id, self._sign)
        self._key: RSAPrivateKey | None = None

    def read(self) -> None:
        """Read the key unless it was read before. Raises ConfigurationError and StorageError."""
        if self._key is not None:
            return
        try:
            pem = secret_text(self._client, self._secret, self._secret, expected=NO_SECRET | DELETED_SECRET)
        except ExpectedAwsError as error:
            raise ConfigurationError(
                f"CLOUDFRONT_PRIVATE_KEY_SECRET names a secret that does not exist or is deleted ({error.code})."
            ) from None
        self._key = _parse(pem)

    def signed_url(self, url: str, ends: int) -> str:
        """Return a URL with a canned policy. ends: seconds since the epoch."""
        signed: str = self._signer.generate_presigned_url(url, date_less_than=datetime.fromtimestamp(ends, UTC))
        # botocore does not add the hash algorithm, and CloudFront's default is SHA-1.
        return f"{signed}&Hash-Algorithm=SHA256"

    def _sign(self, message: bytes) -> bytes:
        """Return the signature: RSASSA-PKCS1-v1_5 over SHA-256."""
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15  # noqa: PLC0415  # in a layer
        from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415  # in a layer

        if self._key is None:
            raise AssertionError("read() comes first")
        return self._key.sign(message, PKCS1v15(), SHA256())


def _parse(pem: str) -> "RSAPrivateKey":
    try:
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415  # in a layer
        from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415  # in a layer
    except ImportError:
        raise ConfigurationError(
            "Signed links need the cryptography package. The layer of a stack with Delivery=cloudfront-signed has it."
        ) from None
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError):  # their messages may quote the key
        key = None
    if not isinstance(key, RSAPrivateKey) or key.key_size != KEY_BITS:
        raise ConfigurationError(
            f"The secret of CLOUDFRONT_PRIVATE_KEY_SECRET must hold an RSA key of {KEY_BITS} bits as PEM text, without "
            "a password."
        )
    return key
