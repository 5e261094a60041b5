"""The documents of shards in S3. They are written only under a condition, so one of two invocations goes on."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from generate_image.aws.call import NOT_FOUND_CODES, S3, ExpectedAwsError, call
from generate_image.errors import ConfigurationError, StorageError
from generate_image.shard import Shard

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CHANGED = frozenset({"409", "412", "PreconditionFailed", "ConditionalRequestConflict"}) | NOT_FOUND_CODES


class ShardStore:
    """Reads and writes the shards of one bucket. Every method raises StorageError and ConfigurationError."""

    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def read(self, key: str) -> Shard | None:
        """Return a shard, or None if there is none."""

        def get() -> tuple[bytes, str]:
            response = self._client.get_object(Bucket=self._bucket, Key=key)
            return response["Body"].read(), response["ETag"]

        try:
            content, etag = call(S3, "S3 did not return the shard", get, expected=NOT_FOUND_CODES)
        except ExpectedAwsError:
            return None
        return Shard.from_json(content, etag)

    def write(self, shard: Shard) -> Shard:
        """Write a shard if S3 still holds the version that it came from. Returns it with its new ETag.

        Raises StorageError if another invocation was first: the step is then repeated from that version.
        """
        shard = replace(shard, version=str(uuid4()))
        condition: dict[str, Any] = {"IfMatch": shard.etag} if shard.etag else {"IfNoneMatch": "*"}
        try:
            response = call(
                S3,
                "S3 did not store the shard",
                lambda: self._client.put_object(
                    Bucket=self._bucket,
                    Key=shard.key,
                    Body=shard.to_json(),
                    ContentType="application/json",
                    **condition,
                ),
                expected=CHANGED,
            )
        except (ExpectedAwsError, StorageError, ConfigurationError) as error:
            # The write may have taken effect, and only its response been lost.
            current = self.read(shard.key)
            if current is not None and current.version == shard.version:
                return current
            if isinstance(error, ExpectedAwsError):
                raise StorageError(f"Another invocation changed the shard ({error.code}). Try again.") from error
            raise
        return replace(shard, etag=response["ETag"])
