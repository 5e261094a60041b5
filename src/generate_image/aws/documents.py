"""JSON documents in S3. They are written only under a condition, so one of several writers wins.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from generate_image.aws.call import NOT_FOUND_CODES, S3, ExpectedAwsError, call
from generate_image.errors import ConfigurationError, StorageError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PAUSES_SECONDS = (0.2, 0.4, 0.6)
"""Before each further attempt of a write that met another one at the same time."""
CONDITION_FAILED = frozenset({"412", "PreconditionFailed"}) | NOT_FOUND_CODES
RACED = frozenset({"409", "ConditionalRequestConflict"})


class Document(NamedTuple):
    """The content of an object and S3's version of it."""

    content: bytes
    etag: str


class DocumentChangedError(Exception):
    """Another writer was first. current: the document as it is now, or None."""

    def __init__(self, current: Document | None) -> None:
        self.current = current


class DocumentStore:
    """Reads and writes the documents of one kind. Every method raises StorageError and ConfigurationError."""

    kind: ClassVar[str]
    """The name of a document in error messages."""

    def __init__(self, client: "S3Client", bucket: str, *, sleep: Callable[[float], None]) -> None:
        self._client = client
        self._bucket = bucket
        self._sleep = sleep

    def _get(self, key: str) -> Document | None:
        """Return a document, or None if there is none."""

        def get() -> Document:
            response = self._client.get_object(Bucket=self._bucket, Key=key)
            return Document(response["Body"].read(), response["ETag"])

        try:
            return call(S3, f"S3 did not return the {self.kind}", get, expected=NOT_FOUND_CODES)
        except ExpectedAwsError:
            return None

    def _write(self, key: str, content: bytes, replacing: str) -> str:
        """Write a document if S3 still holds the version ``replacing``; empty: if it holds none. Return the new ETag.

        A write whose response was lost is recognized by its content, which no other writer writes. Raises
        DocumentChangedError.
        """
        pauses = list(PAUSES_SECONDS)
        while True:
            try:
                return self._put(key, content, replacing)
            except (ExpectedAwsError, StorageError, ConfigurationError) as error:
                # An attempt of boto3 may have taken effect although its response was lost.
                current = self._get(key)
                if current and current.content == content:
                    return current.etag
                if not isinstance(error, ExpectedAwsError):
                    raise
                if error.code in CONDITION_FAILED:
                    raise DocumentChangedError(current) from error
                if not pauses:
                    raise self._not_stored(error) from error
            self._sleep(pauses.pop(0))

    def _put(self, key: str, content: bytes, replacing: str) -> str:
        """Make one attempt to write. Raises ExpectedAwsError with a code of CONDITION_FAILED or RACED."""
        condition: dict[str, Any] = {"IfMatch": replacing} if replacing else {"IfNoneMatch": "*"}
        response = call(
            S3,
            f"S3 did not store the {self.kind}",
            lambda: self._client.put_object(
                Bucket=self._bucket, Key=key, Body=content, ContentType="application/json", **condition
            ),
            expected=CONDITION_FAILED | RACED,
        )
        return response["ETag"]

    def _not_stored(self, error: ExpectedAwsError) -> StorageError:
        return StorageError(
            f"S3 did not store the {self.kind} ({error.code}). Try again with the same idempotency key."
        )
