"""The files of a batch in S3: its list, its prepared items and its results. All are streams of any size."""

import io
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from boto3.s3.transfer import TransferConfig

from generate_image.aws.call import NOT_FOUND_CODES, S3, ExpectedAwsError, call

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

READ_BYTES = 1024 * 1024
PART_BYTES = 8 * 1024 * 1024
"""A multipart upload has at most 10,000 parts, and each but the last has at least 5 MiB.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
"""
IN_PARTS = TransferConfig(multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES, use_threads=False)
"""One part in memory at a time."""


class MissingObjectError(Exception):
    """The bucket has no such object."""


class BatchFiles:
    """Reads and writes the files of batches in one bucket. Every method raises StorageError and ConfigurationError."""

    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def open(self, key: str) -> BinaryIO:
        """Return an object as a stream. Raises MissingObjectError; its reads raise as the methods do."""

        def get() -> Any:  # noqa: ANN401  # botocore's StreamingBody
            return self._client.get_object(Bucket=self._bucket, Key=key)["Body"]

        try:
            body = call(S3, "S3 did not return a file of the batch", get, expected=NOT_FOUND_CODES)
        except ExpectedAwsError as error:
            raise MissingObjectError(key) from error
        return io.BufferedReader(cast("io.RawIOBase", _Stream(body)), READ_BYTES)

    def write(self, key: str, lines: Iterable[bytes]) -> int:
        """Write lines as one object and return their number. If ``lines`` raises, there is no object."""
        counted = _Lines(lines)
        stream = io.BufferedReader(counted, PART_BYTES)
        call(
            S3,
            "S3 did not store the items of the batch",
            lambda: self._client.upload_fileobj(stream, self._bucket, key, Config=IN_PARTS),
        )
        return counted.count

    def results(self, manifest_key: str) -> Iterator[dict[str, Any]]:
        """Yield the result of every item of a Distributed Map. Raises MissingObjectError.

        https://docs.aws.amazon.com/step-functions/latest/dg/input-output-resultwriter.html
        """
        with self.open(manifest_key) as manifest:
            files: Mapping[str, list[dict[str, Any]]] = json.loads(manifest.read())["ResultFiles"]
        for file in (file for files_of_status in files.values() for file in files_of_status):
            yield from self.lines(file["Key"])

    def lines(self, key: str) -> Iterator[dict[str, Any]]:
        """Yield the objects of a file in JSON Lines. Raises MissingObjectError."""
        with self.open(key) as content:
            for line in content:
                if line.strip():
                    yield json.loads(line)


class _Stream(io.RawIOBase):
    """The body of an S3 response, whose errors are ours."""

    def __init__(self, body: Any) -> None:  # noqa: ANN401  # botocore's StreamingBody
        self._body = body

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401  # any writable buffer
        content = call(S3, "S3 did not return a file of the batch", lambda: self._body.read(len(buffer)))
        buffer[: len(content)] = content
        return len(content)

    def close(self) -> None:
        self._body.close()
        super().close()


class _Lines(io.RawIOBase):
    """Lines as a stream. count: of those that were read."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._lines = iter(lines)
        self._rest = b""
        self.count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401  # any writable buffer
        while not self._rest:
            line = next(self._lines, None)
            if line is None:
                return 0
            self._rest = line
            self.count += 1
        content, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(content)] = content
        return len(content)
