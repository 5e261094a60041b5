"""Links to stored pictures: presigned, open through CloudFront, or signed for CloudFront. Each states when it ends."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple, Protocol
from urllib.parse import parse_qs, urlsplit

from generate_image.aws.signed_links import SigningKey
from generate_image.picture import end_of_lifetime
from generate_image.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient


class Link(NamedTuple):
    """A URL that needs no credentials. expires_at: UTC, as ISO 8601."""

    url: str
    expires_at: str

    @classmethod
    def until(cls, url: str, *ends: float) -> "Link":
        """Return a link that ends at the earliest of ``ends``, in seconds since the epoch."""
        return cls(url, datetime.fromtimestamp(int(min(ends)), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))


class Links(Protocol):
    """Makes links of one kind."""

    def prepare(self) -> None:
        """Read the signing key, before a picture is bought. Raises ConfigurationError and StorageError."""

    def link(self, key: str, stored_at: float) -> Link:
        """Return a fresh link to the picture ``key``. It makes no network call.

        stored_at: when the picture was stored, in seconds since the epoch.
        """


class PresignedLinks:
    """Links to the bucket, signed with the function's credentials (SigV4)."""

    def __init__(self, client: "S3Client", bucket: str, seconds: int, retention_days: int) -> None:
        """client: signs with ``s3v4`` and addresses buckets by host name. seconds: the lifetime of a signature."""
        self._client = client
        self._bucket = bucket
        self._seconds = seconds
        self._retention_days = retention_days

    def prepare(self) -> None:
        """Do nothing. The client has its credentials."""

    def link(self, key: str, stored_at: float) -> Link:
        """Return a fresh link. Its end is read from the signature."""
        url = self._client.generate_presigned_url(
            "get_object", Params={"Bucket": self._bucket, "Key": key}, ExpiresIn=self._seconds
        )
        query = parse_qs(urlsplit(url).query)
        signed_at = datetime.strptime(query["X-Amz-Date"][0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        signature_ends = signed_at.timestamp() + int(query["X-Amz-Expires"][0])
        return Link.until(url, signature_ends, end_of_lifetime(stored_at, self._retention_days))


class OpenLinks:
    """Links through CloudFront without a signature, valid until the picture is deleted."""

    def __init__(self, domain: str, retention_days: int) -> None:
        self._domain = domain
        self._retention_days = retention_days

    def prepare(self) -> None:
        """Do nothing. An open link needs no key."""

    def link(self, key: str, stored_at: float) -> Link:
        """Return the link to a picture."""
        return Link.until(_cloudfront_url(self._domain, key), end_of_lifetime(stored_at, self._retention_days))


class SignedLinks:
    """Links through CloudFront, valid until their signature ends."""

    def __init__(
        self, domain: str, signing_key: SigningKey, seconds: int, retention_days: int, *, clock: Callable[[], float]
    ) -> None:
        """seconds: the lifetime of a signature. clock: seconds since the epoch."""
        self._domain = domain
        self._key = signing_key
        self._seconds = seconds
        self._retention_days = retention_days
        self._clock = clock

    def prepare(self) -> None:
        """Read the private key."""
        self._key.read()

    def link(self, key: str, stored_at: float) -> Link:
        """Return a fresh link."""
        signature_ends = int(self._clock()) + self._seconds
        url = self._key.signed_url(_cloudfront_url(self._domain, key), signature_ends)
        return Link.until(url, signature_ends, end_of_lifetime(stored_at, self._retention_days))


def links_for(
    settings: Settings, s3: "S3Client", secrets_manager: "SecretsManagerClient", *, clock: Callable[[], float]
) -> Links:
    """Return the links that the settings select: docs/decisions/0006-links.md. clock: seconds since the epoch."""
    seconds, days = settings.download_url_seconds, settings.picture_retention_days
    if not settings.cloudfront_domain:
        return PresignedLinks(s3, settings.image_bucket, seconds, days)
    if not settings.cloudfront_key_pair_id:
        return OpenLinks(settings.cloudfront_domain, days)
    key = SigningKey(secrets_manager, settings.cloudfront_private_key_secret, settings.cloudfront_key_pair_id)
    return SignedLinks(settings.cloudfront_domain, key, seconds, days, clock=clock)


def _cloudfront_url(domain: str, key: str) -> str:
    """Return the URL of a picture. The distribution's function rewrites its path to the key."""
    return f"https://{domain}/download/{key.removeprefix('temporal/')}"
