"""S3 in memory, as far as the module uses it: fast enough for thousands of schedules.

test_memory_s3.py holds it to moto's answers, call by call.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import md5
from io import BytesIO
from typing import IO, Any

from botocore.exceptions import ClientError


@dataclass(frozen=True)
class StoredObject:
    body: bytes
    content_type: str
    metadata: Mapping[str, str]
    modified: datetime

    @property
    def etag(self) -> str:
        return f'"{md5(self.body).hexdigest()}"'


class MemoryS3:
    """One bucket with S3's conditional writes. https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html"""

    def __init__(self, clock: Callable[[], float]) -> None:
        """clock: seconds since the epoch."""
        self._clock = clock
        self.objects: dict[str, StoredObject] = {}

    def put_object(  # boto3's parameters, by its names
        self,
        *,
        Bucket: str,  # noqa: ARG002, N803
        Key: str,  # noqa: N803
        Body: bytes | IO[bytes],  # noqa: N803
        ContentType: str,  # noqa: N803
        Metadata: Mapping[str, str] | None = None,  # noqa: N803
        IfNoneMatch: str | None = None,  # noqa: N803
        IfMatch: str | None = None,  # noqa: N803
        Expires: datetime | None = None,  # noqa: ARG002, N803  # for caches alone
    ) -> dict[str, Any]:
        present = self.objects.get(Key)
        if IfMatch is not None and present is None:
            raise client_error("NoSuchKey", 404, "PutObject")
        if (IfNoneMatch == "*" and present) or (IfMatch is not None and present and IfMatch != present.etag):
            raise client_error("PreconditionFailed", 412, "PutObject")
        body = Body if isinstance(Body, bytes) else Body.read()
        self.objects[Key] = StoredObject(body, ContentType, dict(Metadata or {}), self._now())
        return {"ETag": self.objects[Key].etag}

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: ARG002, N803
        found = self._found(Key, "NoSuchKey", "GetObject")
        return self._head(found) | {"Body": BytesIO(found.body)}

    def head_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: ARG002, N803
        return self._head(self._found(Key, "404", "HeadObject"))

    def generate_presigned_url(self, _: str, Params: Mapping[str, str], ExpiresIn: int) -> str:  # noqa: N803
        """Return something with a link's fields: it is signed by no one and opens nothing."""
        signed = self._now().strftime("%Y%m%dT%H%M%SZ")
        return f"https://s3/{Params['Bucket']}/{Params['Key']}?X-Amz-Date={signed}&X-Amz-Expires={ExpiresIn}"

    def _found(self, key: str, code: str, operation: str) -> StoredObject:
        if key not in self.objects:
            raise client_error(code, 404, operation)
        return self.objects[key]

    def _head(self, found: StoredObject) -> dict[str, Any]:
        return {
            "ETag": found.etag,
            "ContentType": found.content_type,
            "Metadata": dict(found.metadata),
            "LastModified": found.modified,
        }

    def _now(self) -> datetime:
        return datetime.fromtimestamp(int(self._clock()), UTC)


def client_error(code: str, status: int, operation: str) -> ClientError:
    """Return what boto3 raises for an error that the service answers with."""
    return ClientError(
        {"Error": {"Code": code, "Message": "told by the fake"}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]  # the fields that are read
        operation,
    )
