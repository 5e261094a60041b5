"""Links to stored pictures that say truly how long they work."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple, Protocol
from urllib.parse import parse_qs, urlsplit

from generate_image.deadline import Deadline
from generate_image.storage import end_of_lifetime

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class Link(NamedTuple):
    """A URL that needs no credentials, and when it ends: UTC, as ISO 8601."""

    url: str
    expires_at: str

    @classmethod
    def until(cls, url: str, *ends: float) -> "Link":
        """Return a link that ends at the first of ``ends``, in seconds since the epoch."""
        return cls(url, datetime.fromtimestamp(int(min(ends)), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))


class Links(Protocol):
    """Makes links of one kind."""

    def prepare(self, deadline: Deadline) -> None:
        """Fetch what links are made with, so that none fails once a picture is paid for.

        Raises ConfigurationError and StorageError.
        """

    def link(self, key: str, stored_at: float) -> Link:
        """Return a fresh link to a picture. stored_at: when it was, in seconds since the epoch. It asks nobody."""


class PresignedLinks:
    """Links to the bucket itself, signed with the function's credentials (SigV4)."""

    def __init__(self, client: "S3Client", bucket: str, seconds: int, retention_days: int) -> None:
        """client: one that signs with ``s3v4``. seconds: how long each signature holds."""
        self._client = client
        self._bucket = bucket
        self._seconds = seconds
        self._retention_days = retention_days

    def prepare(self, deadline: Deadline) -> None:
        """Do nothing: the client has its credentials."""

    def link(self, key: str, stored_at: float) -> Link:
        """Return a fresh link to a picture. stored_at: when it was, in seconds since the epoch. It asks nobody."""
        url = self._client.generate_presigned_url(
            "get_object", Params={"Bucket": self._bucket, "Key": key}, ExpiresIn=self._seconds
        )
        query = parse_qs(urlsplit(url).query)
        signed = datetime.strptime(query["X-Amz-Date"][0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        signature_ends = signed.timestamp() + int(query["X-Amz-Expires"][0])
        return Link.until(url, signature_ends, end_of_lifetime(stored_at, self._retention_days))
