"""The records in S3, and their conditional writes."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from generate_image.aws.call import NOT_FOUND_CODES, S3, ExpectedAwsError, call
from generate_image.errors import ConfigurationError, StorageError
from generate_image.picture import object_key
from generate_image.record import NEXT, Record

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ATTEMPTS = 4
BACKOFF_SECONDS = 0.2
CONDITION_FAILED = frozenset({"412", "PreconditionFailed"}) | NOT_FOUND_CODES
RACED = frozenset({"409", "ConditionalRequestConflict"})


class RecordChangedError(Exception):
    """Another writer was first. current: the record as it is now, or None."""

    def __init__(self, current: Record | None) -> None:
        self.current = current
        super().__init__()


class RecordStore:
    """Reads and writes records."""

    def __init__(self, client: "S3Client", bucket: str, *, sleep: Callable[[float], None]) -> None:
        self._client = client
        self._bucket = bucket
        self._sleep = sleep

    def read(self, client_id: str, image_id: str) -> Record | None:
        """Return the record, or None if there is none. Raises StorageError and ConfigurationError."""
        key = object_key(client_id, image_id, ".json")

        def get() -> tuple[bytes, str]:
            response = self._client.get_object(Bucket=self._bucket, Key=key)
            return response["Body"].read(), response["ETag"]

        try:
            content, etag = call(S3, "S3 did not return the record", get, expected=NOT_FOUND_CODES)
        except ExpectedAwsError:
            return None
        return Record.from_json(content, etag)

    def write(self, record: Record, *, replacing: Record | None = None) -> Record:
        """Write a record if S3 still holds ``replacing``, or no record if that is None. Returns it with its new ETag.

        Raises RecordChangedError, and StorageError and ConfigurationError if the write did not take effect.
        """
        before = replacing.status if replacing else None
        if record.status not in NEXT[before]:
            raise AssertionError(f"{before} must not be followed by {record.status}")
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return record._replace(etag=self._put(record, replacing))
            except (ExpectedAwsError, StorageError, ConfigurationError) as error:
                # The write may have taken effect, and only its response been lost.
                current = self.read(record.client_id, record.image_id)
                if current and _is_same_write(current, record):
                    return current
                if not isinstance(error, ExpectedAwsError):
                    raise
                if error.code in CONDITION_FAILED:
                    raise RecordChangedError(current) from error
                if attempt == ATTEMPTS:
                    raise StorageError(
                        f"S3 did not store the record ({error.code}). Try again with the same idempotency key."
                    ) from error
            self._sleep(BACKOFF_SECONDS * attempt)
        raise AssertionError  # pragma: no cover  # the last attempt returns or raises

    def _put(self, record: Record, replacing: Record | None) -> str:
        condition: dict[str, Any] = {"IfMatch": replacing.etag} if replacing else {"IfNoneMatch": "*"}
        response = call(
            S3,
            "S3 did not store the record",
            lambda: self._client.put_object(
                Bucket=self._bucket,
                Key=record.key,
                Body=record.to_json(),
                ContentType="application/json",
                **condition,
            ),
            expected=CONDITION_FAILED | RACED,
        )
        return response["ETag"]


def _is_same_write(current: Record, record: Record) -> bool:
    """Return whether ``current`` is the effect of writing ``record``. One holder writes each status once per lease."""
    return (current.holder, current.status, current.lease_until) == (record.holder, record.status, record.lease_until)
