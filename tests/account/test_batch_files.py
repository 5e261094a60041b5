"""The streams of a batch in S3, and the two functions that read and write them."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from generate_image.aws.batch_files import PART_BYTES, BatchFiles, MissingObjectError
from generate_image.errors import ConfigurationError, InvalidRequestError, StorageError
from generate_image.functions import count_results, prepare_list
from generate_image.functions._runtime import with_boundary
from local.account import BUCKET, Account
from local.functions import environment
from local.lambda_context import Function, LocalContext

KEY = "results/run/items.jsonl"


@pytest.fixture
def files(account: Account) -> BatchFiles:
    return BatchFiles(account.s3(), BUCKET)


def function_of(account: Account, module: Any) -> Function:  # noqa: ANN401  # a module of generate_image.functions
    started = environment(account, account.settings)
    return with_boundary(module.build(started), started)


@pytest.mark.parametrize("size", [0, 2 * PART_BYTES + 10])
def test_lines_are_stored_as_one_object(files: BatchFiles, size: int) -> None:
    line = b"x" * 1023 + b"\n"
    lines = [line] * (size // len(line)) + [b"x" * (size % len(line))]

    assert files.write(KEY, lines) == len(lines)
    with files.open(KEY) as stored:
        assert stored.read() == b"".join(lines)


def test_failed_write_leaves_neither_object_nor_parts(account: Account, files: BatchFiles) -> None:
    def lines() -> Iterator[bytes]:
        yield b"x" * PART_BYTES
        raise InvalidRequestError("id 7 is there twice")

    with pytest.raises(InvalidRequestError):
        files.write(KEY, lines())
    with pytest.raises(MissingObjectError):
        files.open(KEY)
    assert "Uploads" not in account.s3().list_multipart_uploads(Bucket=BUCKET)


def test_interrupted_read_is_a_storage_error() -> None:
    def read(_: int) -> bytes:
        raise ReadTimeoutError(endpoint_url="s3")

    body = SimpleNamespace(read=read, close=lambda: None)
    client: Any = SimpleNamespace(get_object=lambda **_: {"Body": body})
    with BatchFiles(client, BUCKET).open(KEY) as content, pytest.raises(StorageError, match="ReadTimeoutError"):
        content.read()


def test_missing_list_and_missing_results_are_named(account: Account) -> None:
    event = {"input": {"list": "lists/a.csv"}, "execution": "run"}
    with pytest.raises(InvalidRequestError, match=r"the bucket has no lists/a\.csv"):
        function_of(account, prepare_list)(
            event | {"max_concurrency": 5, "tolerated_failure_percentage": 100}, LocalContext()
        )

    count, written = function_of(account, count_results), {"Bucket": BUCKET, "Key": "results/run/a.json"}
    with pytest.raises(ConfigurationError, match=r"results/run/a\.json"):
        count({"map_run": {"ResultWriterDetails": written}}, LocalContext())
    counted = count({"name": "spring", "map_run": {"MapRunArn": "arn"}}, LocalContext())
    assert (counted["asked"], counted["failed"], counted["results"]) == (0, {}, None)
