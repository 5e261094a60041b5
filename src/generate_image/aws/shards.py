"""The shards in S3."""

from dataclasses import replace
from uuid import uuid4

from generate_image.aws.documents import DocumentChangedError, DocumentStore
from generate_image.errors import StorageError
from generate_image.shard import Shard


class ShardStore(DocumentStore):
    """Reads and writes shards. Every method raises StorageError and ConfigurationError."""

    kind = "shard"

    def read(self, key: str) -> Shard | None:
        """Return a shard, or None if there is none."""
        document = self._get(key)
        return Shard.from_json(*document) if document else None

    def write(self, shard: Shard) -> Shard:
        """Write a shard if S3 still holds the version that it came from. Returns it with its new ETag.

        Raises StorageError if another invocation was first: the step is then repeated from that version.
        """
        shard = replace(shard, version=str(uuid4()))
        try:
            etag = self._write(shard.key, shard.to_json(), shard.etag)
        except DocumentChangedError as changed:
            raise StorageError("Another invocation changed the shard. Try again.") from changed
        return replace(shard, etag=etag)
