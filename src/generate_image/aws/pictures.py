"""The pictures in S3."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from generate_image.aws.call import NOT_FOUND_CODES, S3, ExpectedAwsError, call
from generate_image.deadline import Deadline
from generate_image.errors import StorageError
from generate_image.picture import (
    PICTURE_TYPES,
    BoughtPicture,
    StoredPicture,
    Usage,
    end_of_lifetime,
    object_key,
)

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef

ATTEMPTS = 3
BACKOFF_SECONDS = 1.0
EXISTS = frozenset({"412", "PreconditionFailed"})
RACED = frozenset({"409", "ConditionalRequestConflict"})


class FoundPicture(NamedTuple):
    """A picture in S3, and the facts of its purchase in its metadata. The metadata contains no cost."""

    stored: StoredPicture
    bought: BoughtPicture


class PictureStore:
    """Stores pictures under ``temporal/cli_<client_id>/<image_id>`` and finds them again."""

    def __init__(
        self,
        client: "S3Client",
        bucket: str,
        retention_days: int,
        deadline: Deadline,
        *,
        sleep: Callable[[float], None],
    ) -> None:
        """retention_days: the bucket's lifecycle rule deletes a picture after so many days."""
        self._client = client
        self._bucket = bucket
        self._retention_days = retention_days
        self._deadline = deadline
        self._sleep = sleep

    def put(self, stored: StoredPicture, bought: BoughtPicture, request_hash: str, content: IO[bytes]) -> None:
        """Store a picture. Raises StorageError and ConfigurationError.

        The picture is paid for, so a failed attempt is repeated while time is left. The first write never replaces an
        object: a late write of an earlier invocation then cannot replace this picture.
        """
        metadata = _to_metadata(stored, bought, request_hash)
        condition = {"IfNoneMatch": "*"}
        for attempt in range(1, ATTEMPTS + 1):
            pause = BACKOFF_SECONDS * attempt
            is_last = attempt == ATTEMPTS or pause >= self._deadline.remaining()
            try:
                self._put(stored, metadata, content, condition)
            except ExpectedAwsError as error:
                existing = self._head(stored.key)
                if existing and existing["Metadata"] == metadata:
                    return  # an earlier attempt took effect, and only its response was lost
                condition = {"IfMatch": existing["ETag"]} if existing else {"IfNoneMatch": "*"}
                if is_last:
                    raise StorageError(
                        f"The picture was bought, but S3 did not store it ({error.code}). Try again with the same "
                        "idempotency key."
                    ) from error
            except StorageError:
                if is_last:
                    raise
            else:
                return
            self._sleep(pause)

    def exists(self, key: str) -> bool:
        """Return whether a picture is in S3. Raises StorageError and ConfigurationError."""
        return self._head(key) is not None

    def find(self, client_id: str, image_id: str, request_hash: str) -> FoundPicture | None:
        """Return the picture of a request, of any type. Raises StorageError and ConfigurationError.

        The hash rules out a picture that an earlier life of the key left behind.
        """
        for picture_type in PICTURE_TYPES:
            key = object_key(client_id, image_id, picture_type.extension)
            head = self._head(key)
            if head is not None and head["Metadata"].get("request-hash") == request_hash:
                metadata, stored_at = head["Metadata"], head["LastModified"].timestamp()
                credentials = metadata.get("content-credentials")
                stored = StoredPicture(key, picture_type.content_type, stored_at, credentials)
                return FoundPicture(stored, _from_metadata(metadata))
        return None

    def _put(
        self, stored: StoredPicture, metadata: Mapping[str, str], content: IO[bytes], condition: Mapping[str, Any]
    ) -> None:
        content.seek(0)
        # A moment, not an age: a cache that fetched the picture on its last day forgets it that day.
        expires = datetime.fromtimestamp(end_of_lifetime(stored.stored_at, self._retention_days), UTC)
        call(
            S3,
            "The picture was bought, but S3 did not store it",
            lambda: self._client.put_object(
                Bucket=self._bucket,
                Key=stored.key,
                Body=content,
                ContentType=stored.content_type,
                Expires=expires,
                Metadata=dict(metadata),
                **condition,
            ),
            expected=EXISTS | RACED | NOT_FOUND_CODES,
        )

    def _head(self, key: str) -> "HeadObjectOutputTypeDef | None":
        try:
            return call(
                S3,
                "S3 did not report whether the picture exists",
                lambda: self._client.head_object(Bucket=self._bucket, Key=key),
                expected=NOT_FOUND_CODES,
            )
        except ExpectedAwsError:
            return None


def _to_metadata(stored: StoredPicture, bought: BoughtPicture, request_hash: str) -> dict[str, str]:
    """Return the metadata of a picture: no prompt, and no URL that opens something. Every holder of a link sees it."""
    metadata = {"request-hash": request_hash, "model": bought.model}
    if stored.content_credentials:
        metadata["content-credentials"] = stored.content_credentials
    if bought.openai_request_id:
        metadata["openai-request-id"] = bought.openai_request_id
    if bought.pricing:
        metadata["pricing"] = bought.pricing
    for name, count in (bought.usage._asdict() if bought.usage else {}).items():
        metadata[name.replace("_", "-")] = str(count)
    return metadata


def _from_metadata(metadata: Mapping[str, str]) -> BoughtPicture:
    counts = [metadata.get(name.replace("_", "-"), "") for name in Usage._fields]
    usage = Usage(*map(int, counts)) if all(count.isdecimal() for count in counts) else None
    model, request_id = metadata.get("model", ""), metadata.get("openai-request-id")
    return BoughtPicture(model, request_id, usage, pricing=metadata.get("pricing"))
