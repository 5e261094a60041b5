"""Links to stored pictures that say truly how long they work."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True)
class Link:
    """A URL that needs no credentials, and when it ends: UTC, as ISO 8601."""

    url: str
    expires_at: str


class PresignedLinks:
    """Links to the bucket itself, signed with the function's credentials (SigV4)."""

    def __init__(self, client: "S3Client", bucket: str, seconds: int) -> None:
        """client: one that signs with ``s3v4``. seconds: how long each link works."""
        self._client = client
        self._bucket = bucket
        self._seconds = seconds

    def link(self, key: str) -> Link:
        """Return a fresh link to an object. It asks nobody."""
        url = self._client.generate_presigned_url(
            "get_object", Params={"Bucket": self._bucket, "Key": key}, ExpiresIn=self._seconds
        )
        query = parse_qs(urlsplit(url).query)
        signed = datetime.strptime(query["X-Amz-Date"][0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        expires = signed + timedelta(seconds=int(query["X-Amz-Expires"][0]))
        return Link(url, expires.strftime("%Y-%m-%dT%H:%M:%SZ"))
