"""The files of a batch in S3: its list, its prepared items and its results. All are streams of any size."""

import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, cast

from generate_image.aws.call import NOT_FOUND_CODES, S3, ExpectedAwsError, call
from generate_image.errors import GenerateImageError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

T = TypeVar("T")

READ_BYTES = 1024 * 1024
PART_BYTES = 8 * 1024 * 1024
"""A multipart upload has at most 10,000 parts, and each but the last has at least 5 MiB.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
"""


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
        upload = _Upload(self._client, self._bucket, key)
        count = 0
        try:
            for line in lines:
                upload.add(line)
                count += 1
            upload.complete()
        except BaseException:
            with suppress(GenerateImageError):  # the first error counts; the bucket's lifecycle rule drops parts, too
                upload.abort()
            raise
        return count

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


class _Upload:
    """A multipart upload that holds one part in memory. A small object is one PUT."""

    def __init__(self, client: "S3Client", bucket: str, key: str) -> None:
        self._client = client
        self._bucket = bucket
        self._key = key
        self._buffer = bytearray()
        self._upload_id = ""
        self._parts: list[CompletedPartTypeDef] = []

    def add(self, content: bytes) -> None:
        self._buffer += content
        if len(self._buffer) >= PART_BYTES:
            self._put_part()

    def complete(self) -> None:
        if not self._upload_id:
            _store(lambda: self._client.put_object(Bucket=self._bucket, Key=self._key, Body=bytes(self._buffer)))
            return
        if self._buffer:
            self._put_part()
        _store(
            lambda: self._client.complete_multipart_upload(
                Bucket=self._bucket, Key=self._key, UploadId=self._upload_id, MultipartUpload={"Parts": self._parts}
            )
        )

    def abort(self) -> None:
        """Drop the parts, which S3 would keep and charge."""
        if self._upload_id:
            _store(
                lambda: self._client.abort_multipart_upload(
                    Bucket=self._bucket, Key=self._key, UploadId=self._upload_id
                )
            )

    def _put_part(self) -> None:
        if not self._upload_id:
            created = _store(lambda: self._client.create_multipart_upload(Bucket=self._bucket, Key=self._key))
            self._upload_id = created["UploadId"]
        number = len(self._parts) + 1
        part = _store(
            lambda: self._client.upload_part(
                Bucket=self._bucket,
                Key=self._key,
                UploadId=self._upload_id,
                PartNumber=number,
                Body=bytes(self._buffer),
            )
        )
        self._parts.append({"ETag": part["ETag"], "PartNumber": number})
        self._buffer.clear()


def _store(function: Callable[[], T]) -> T:
    return call(S3, "S3 did not store the items of the batch", function)
