"""The conditional write of a picture, its retries, and the search for it."""

from io import BytesIO
from typing import TYPE_CHECKING, cast

import pytest

from generate_image.aws.pictures import ATTEMPTS, PictureStore
from generate_image.deadline import Deadline
from generate_image.errors import ConfigurationError, StorageError
from generate_image.picture import BoughtPicture, StoredPicture, Usage
from tests.memory_s3 import Clock, ScriptedS3
from tests.proof.faults import Kind

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

STORED = StoredPicture("temporal/cli_1/id.png", "image/png", 1_800_000_000)
BOUGHT = BoughtPicture("gpt-image-2", "req_1", Usage(1, 2, 3), 0.01, "https://provider/secret")


class Bucket:
    """Pictures in an S3 that can fail."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.s3 = ScriptedS3(self.clock)
        deadline = Deadline(self.clock)
        deadline.start(60)
        client = cast("S3Client", self.s3)
        self.pictures = PictureStore(client, "bucket", 7, deadline, sleep=self.clock.pass_by)

    def put(self, content: bytes = b"new", bought: BoughtPicture = BOUGHT) -> None:
        self.pictures.put(STORED, bought, "hash", BytesIO(content))


@pytest.fixture
def bucket() -> Bucket:
    return Bucket()


def test_stored_picture_is_found_with_its_facts(bucket: Bucket) -> None:
    bucket.put()
    found = bucket.pictures.find("1", "id", "hash")
    assert found is not None
    assert found.bought == BOUGHT._replace(cost_usd=None, source_url=None)
    assert (found.stored.key, found.stored.content_type) == (STORED.key, "image/png")
    assert bucket.pictures.find("1", "id", "another hash") is None
    assert bucket.pictures.find("2", "id", "hash") is None


def test_metadata_contains_no_url(bucket: Bucket) -> None:
    bucket.put()
    assert "secret" not in str(bucket.s3.objects[STORED.key].metadata)


@pytest.mark.parametrize("fault", [Kind.ERROR, Kind.LOST, Kind.CONFLICT])
def test_failed_write_is_repeated(bucket: Bucket, fault: Kind) -> None:
    bucket.s3.writes = [fault] * (ATTEMPTS - 1)
    bucket.put()
    assert bucket.s3.objects[STORED.key].body == b"new"


@pytest.mark.parametrize("fault", [Kind.ERROR, Kind.CONFLICT])
def test_lasting_failure_is_a_storage_error(bucket: Bucket, fault: Kind) -> None:
    bucket.s3.writes = [fault] * ATTEMPTS
    with pytest.raises(StorageError, match="The picture was bought"):
        bucket.put()


def test_missing_right_is_not_retried(bucket: Bucket) -> None:
    bucket.s3.writes = [Kind.DENIED]
    with pytest.raises(ConfigurationError):
        bucket.put()
    assert bucket.s3.puts == 1


def test_no_retry_starts_after_the_deadline(bucket: Bucket) -> None:
    bucket.clock.pass_by(59.5)
    bucket.s3.writes = [Kind.ERROR]
    with pytest.raises(StorageError):
        bucket.put()
    assert bucket.s3.puts == 1


def test_picture_of_an_earlier_purchase_is_replaced(bucket: Bucket) -> None:
    bucket.put(b"old", BOUGHT._replace(openai_request_id="req_0"))
    bucket.put(b"new")
    assert bucket.s3.objects[STORED.key].body == b"new"
    found = bucket.pictures.find("1", "id", "hash")
    assert found is not None
    assert found.bought.openai_request_id == "req_1"


def test_late_write_does_not_replace_a_newer_picture(bucket: Bucket) -> None:
    bucket.s3.writes = [Kind.LATE] * ATTEMPTS
    with pytest.raises(StorageError):
        bucket.put(b"old")
    bucket.put(b"new")
    bucket.s3.finish_late_writes()
    assert bucket.s3.objects[STORED.key].body == b"new"
