"""The stores of one bucket, over an S3 that can fail."""

from io import StringIO
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

from generate_image.aws.ledger import LedgerStore
from generate_image.aws.pictures import PictureStore
from generate_image.aws.records import RecordStore
from generate_image.deadline import Deadline
from generate_image.log import Log
from generate_image.record import Record, Status
from generate_image.state import find_stored_with
from tests.memory_s3 import Clock, ScriptedS3

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_s3 import S3Client

LEASE_SECONDS = 60.0


class Stores:
    """waits: the seconds of each sleep. while_asleep: another writer. logged: the log so far.

    lifetime: seconds until the deadline.
    """

    def __init__(self, lifetime: float = LEASE_SECONDS) -> None:
        self.clock = Clock()
        self.s3 = ScriptedS3(self.clock)
        self.waits: list[float] = []
        self.while_asleep: Callable[[], object] = lambda: None
        self.logged = StringIO()
        self.log = Log(f"stores {uuid4()}", self.logged)
        self.deadline = Deadline(self.clock)
        self.deadline.start(lifetime)
        client = cast("S3Client", self.s3)
        self.records = RecordStore(client, "bucket", sleep=self._sleep)
        self.pictures = PictureStore(client, "bucket", 7, self.deadline, sleep=self._sleep)
        self.ledgers = LedgerStore(client, "bucket", self.deadline, sleep=self._sleep, random=lambda: 0.5)
        self.find_stored = find_stored_with(self.pictures)

    def new(self, **fields: Any) -> Record:  # noqa: ANN401  # fields of Record
        """Return the record of a purchase that starts now."""
        lease_until = self.clock.now + LEASE_SECONDS
        record = Record(Status.STARTED, "1", "id", "hash", f"holder {uuid4()}", lease_until, "a cat")
        return record._replace(**fields)

    def existing(self, record: Record) -> Record:
        """Return a record that S3 holds from now on."""
        response = self.s3.put_object(Bucket="bucket", Key=record.key, Body=record.to_json())
        return record._replace(etag=response["ETag"])

    def saved(self) -> Record | None:
        """Return the record in S3."""
        return self.records.read("1", "id")

    def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.clock.pass_by(seconds)
        self.while_asleep()
