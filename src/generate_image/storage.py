"""The pictures in S3."""

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from generate_image.deadline import Deadline, DeadlineExceededError
from generate_image.errors import ConfigurationError, StorageError
from generate_image.pictures import PICTURE_TYPES

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef

ATTEMPTS = 3
BACKOFF_SECONDS = 1.0
DAY_SECONDS = 86_400
NOT_ALLOWED = frozenset({"403", "AccessDenied", "NoSuchBucket", "InvalidAccessKeyId", "SignatureDoesNotMatch"})
NO_SUCH_KEY = frozenset({"404", "NoSuchKey", "NotFound"})


class StoredPicture(NamedTuple):
    """A picture that lies in S3.

    stored_at: seconds since the epoch. metadata: what was kept beside it when it was put.
    """

    key: str
    content_type: str
    stored_at: float
    metadata: Mapping[str, str]


class PictureStore:
    """Keeps pictures under ``temporal/cli_<client_id>/<image_id>`` and finds them again."""

    def __init__(self, client: "S3Client", bucket: str, retention_days: int, *, sleep: Callable[[float], None]) -> None:
        """retention_days: after which the bucket's lifecycle rule deletes a picture."""
        self._client = client
        self.bucket = bucket
        self._retention_days = retention_days
        self._sleep = sleep

    def put(self, picture: StoredPicture, content: bytes | IO[bytes], deadline: Deadline) -> None:
        """Store a picture; a few times if need be, because it is paid for. Raises StorageError."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                deadline.run(lambda: self._put(picture, content))
            except (ClientError, BotoCoreError, DeadlineExceededError) as error:
                wait = BACKOFF_SECONDS * attempt
                if attempt == ATTEMPTS or wait >= deadline.remaining():
                    raise storage_error("The picture was bought, but storing it failed", error) from error
            else:
                return
            self._sleep(wait)

    def _put(self, picture: StoredPicture, content: bytes | IO[bytes]) -> None:
        if not isinstance(content, bytes):
            content.seek(0)
        self._client.put_object(
            Bucket=self.bucket,
            Key=picture.key,
            Body=content,
            ContentType=picture.content_type,
            # A moment, not an age: a cache that fetched the picture on its last day forgets it that day.
            Expires=datetime.fromtimestamp(end_of_lifetime(picture.stored_at, self._retention_days), UTC),
            Metadata=dict(picture.metadata),
        )

    def exists(self, key: str, deadline: Deadline) -> bool:
        """Tell whether a picture is there. Raises StorageError."""
        return self._head(key, deadline) is not None

    def find(self, client_id: str, image_id: str, deadline: Deadline) -> StoredPicture | None:
        """Return the picture of that id, of whichever type. Raises StorageError."""
        for picture_type in PICTURE_TYPES:
            key = object_key(client_id, image_id, picture_type.extension)
            head = self._head(key, deadline)
            if head is not None:
                stored_at = head["LastModified"].timestamp()
                return StoredPicture(key, picture_type.content_type, stored_at, head["Metadata"])
        return None

    def _head(self, key: str, deadline: Deadline) -> "HeadObjectOutputTypeDef | None":
        try:
            return deadline.run(lambda: self._client.head_object(Bucket=self.bucket, Key=key))
        except ClientError as error:
            if error.response["Error"]["Code"] in NO_SUCH_KEY:
                return None
            raise storage_error("S3 did not tell whether the picture is there", error) from error
        except (BotoCoreError, DeadlineExceededError) as error:
            raise storage_error("S3 did not tell whether the picture is there", error) from error


def object_key(client_id: str, image_id: str, extension: str) -> str:
    """Return the key of a picture (``.png``) or of its record (``.json``)."""
    return f"temporal/cli_{client_id}/{image_id}{extension}"


def end_of_lifetime(stored_at: float, retention_days: int) -> int:
    """Return from when S3 may delete what it took at ``stored_at``; both in seconds since the epoch.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html#intro-lifecycle-rules-number-of-days:
    the days are added, and the sum is rounded up to the next midnight UTC.
    """
    return math.ceil(stored_at / DAY_SECONDS + retention_days) * DAY_SECONDS


def storage_error(what: str, error: Exception) -> StorageError | ConfigurationError:
    """Return the error that tells of S3's failure by its code; its message may quote what was sent."""
    code = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
    if code in NOT_ALLOWED:
        return ConfigurationError(f"{what} ({code}). Check IMAGE_BUCKET and what the function's role may do with it.")
    return StorageError(f"{what} ({code}). Try again with the same idempotency key.")
