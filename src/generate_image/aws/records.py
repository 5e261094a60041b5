"""The records in S3."""

from generate_image.aws.documents import Document, DocumentChangedError, DocumentStore
from generate_image.picture import object_key
from generate_image.record import NEXT, Record


class RecordChangedError(Exception):
    """Another writer was first. current: the record as it is now, or None."""

    def __init__(self, current: Record | None) -> None:
        self.current = current


class RecordStore(DocumentStore):
    """Reads and writes records."""

    kind = "record"

    def read(self, client_id: str, image_id: str) -> Record | None:
        """Return the record, or None if there is none. Raises StorageError and ConfigurationError."""
        return _parse(self._get(object_key(client_id, image_id, ".json")))

    def write(self, record: Record, *, replacing: Record | None = None) -> Record:
        """Write a record if S3 still holds ``replacing``, or no record if that is None. Returns it with its new ETag.

        Raises RecordChangedError, and StorageError and ConfigurationError if the write did not take effect.
        """
        before = replacing.status if replacing else None
        if record.status not in NEXT[before]:
            raise AssertionError(f"{before} must not be followed by {record.status}")
        try:
            etag = self._write(record.key, record.to_json(), replacing.etag if replacing else "")
        except DocumentChangedError as changed:
            raise RecordChangedError(_parse(changed.current)) from changed
        return record._replace(etag=etag)


def _parse(document: Document | None) -> Record | None:
    return Record.from_json(*document) if document else None
