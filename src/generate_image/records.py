"""The record beside each picture: what makes a request bought once.

It is written only under a condition (S3's ``If-None-Match: *`` and ``If-Match``), so of several callers one wins, and
it changes only as NEXT says. docs/bought-once.md has the same table as a picture.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from generate_image.deadline import Deadline, DeadlineExceededError
from generate_image.errors import ConfigurationError
from generate_image.storage import NO_SUCH_KEY, object_key, storage_error

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ATTEMPTS = 4
BACKOFF_SECONDS = 0.2
CLOCK_SKEW_SECONDS = 5.0
"""How far apart the clocks of two environments may be; a claim is believed dead only so long after its end."""
CONDITION_FAILED = frozenset({"412", "PreconditionFailed"})
RACED = frozenset({"409", "ConditionalRequestConflict"})


class Status(StrEnum):
    """How far a purchase has come."""

    STARTED = "started"
    """Claimed; the provider may have been asked."""
    GENERATED = "generated"
    """Bought; the provider gave a URL, which the record holds."""
    STORED = "stored"
    """The picture is in S3 and the record holds what the answer needs."""
    FAILED = "failed"
    """A final error, told again on every replay."""
    RELEASED = "released"
    """Nothing was bought; the key may claim again."""


NEXT: Mapping[Status | None, frozenset[Status]] = {
    None: frozenset({Status.STARTED}),
    Status.STARTED: frozenset({Status.GENERATED, Status.STORED, Status.FAILED, Status.RELEASED, Status.STARTED}),
    Status.GENERATED: frozenset({Status.GENERATED, Status.STORED, Status.FAILED}),
    Status.STORED: frozenset({Status.STARTED}),
    Status.FAILED: frozenset({Status.STORED, Status.STARTED}),
    Status.RELEASED: frozenset({Status.STARTED}),
}
"""Which status may follow which.

started → started: a holder gives its hold up because storing failed, or an operator chose to buy again after an unknown
outcome. generated → generated: another call takes over, or gives up. stored → started: the picture's lifetime is over,
and the key is new again. failed → stored, → started: only after OutcomeUnknownError, when the picture turned up after
all, or when the operator chose to buy again.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One purchase. claimant: the call that holds it. until: when its hold ends, in seconds since the epoch.

    request_hash: what decides the picture. asked: the prompt, and what of the event the answer gives back. picture: of
    a bought one, what the answer tells of it. error: of a failed one, ``GenerateImageError.to_dict``.
    """

    status: Status
    client_id: str
    image_id: str
    request_hash: str
    claimant: str
    until: float
    asked: Mapping[str, Any]
    picture: Mapping[str, Any] = field(default_factory=dict)
    error: Mapping[str, Any] = field(default_factory=dict)
    etag: str = field(default="", compare=False)
    """S3's version of what was read or written; not part of the content."""

    @property
    def key(self) -> str:
        """The record's own key in the bucket."""
        return object_key(self.client_id, self.image_id, ".json")

    def to_json(self) -> bytes:
        """Return what lies in S3."""
        content = asdict(self) | {"until": datetime.fromtimestamp(self.until, UTC).isoformat()}
        del content["etag"]
        return json.dumps(content).encode()

    @classmethod
    def from_json(cls, content: bytes, etag: str) -> "Record":
        """Return the record that ``to_json`` wrote. Raises ConfigurationError for anything else."""
        try:
            fields = json.loads(content)
            fields["status"] = Status(fields["status"])
            fields["until"] = datetime.fromisoformat(fields["until"]).timestamp()
            return cls(**fields, etag=etag)
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigurationError(
                "The bucket holds a record that this version did not write. Nothing was bought; use a new key."
            ) from error


class OvertakenError(Exception):
    """The record is not what the write was conditional on. record: what it is now; None where it is gone."""

    def __init__(self, record: Record | None) -> None:
        self.record = record
        super().__init__()


class Records:
    """The records in S3."""

    def __init__(
        self, client: "S3Client", bucket: str, *, clock: Callable[[], float], sleep: Callable[[float], None]
    ) -> None:
        self._client = client
        self._bucket = bucket
        self._clock = clock
        self._sleep = sleep

    def is_held(self, record: Record) -> bool:
        """Tell whether the call that claimed a record may still be at work."""
        return record.until + CLOCK_SKEW_SECONDS > self._clock()

    def read(self, client_id: str, image_id: str, deadline: Deadline) -> Record | None:
        """Return the record; None where there is none. Raises StorageError and ConfigurationError."""
        key = object_key(client_id, image_id, ".json")

        def get() -> Record:
            response = self._client.get_object(Bucket=self._bucket, Key=key)
            return Record.from_json(response["Body"].read(), response["ETag"])

        try:
            return deadline.run(get)
        except ClientError as error:
            if error.response["Error"]["Code"] in NO_SUCH_KEY:
                return None
            raise storage_error("S3 did not give the record", error) from error
        except (BotoCoreError, DeadlineExceededError) as error:
            raise storage_error("S3 did not give the record", error) from error

    def write(self, record: Record, deadline: Deadline, *, over: Record | None = None) -> Record:
        """Write a record where S3 holds ``over``, or none. Returns it with its new ETag.

        Raises OvertakenError where another call was first, and StorageError where nobody can tell.
        """
        before = over.status if over else None
        if record.status not in NEXT[before]:
            raise AssertionError(f"{before} is not followed by {record.status}")
        for attempt in range(1, ATTEMPTS + 1):
            try:
                etag = deadline.run(lambda: self._put(record, over))
            except (ClientError, BotoCoreError, DeadlineExceededError) as error:
                # The write may have taken effect and only its answer be lost: what lies there tells.
                code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
                current = self.read(record.client_id, record.image_id, deadline)
                if current and current.to_json() == record.to_json():
                    return current
                if code in CONDITION_FAILED | NO_SUCH_KEY:
                    raise OvertakenError(current) from error
                if code not in RACED or attempt == ATTEMPTS:
                    raise storage_error("S3 did not take the record", error) from error
            else:
                return replace(record, etag=etag)
            self._sleep(BACKOFF_SECONDS * attempt)
        raise AssertionError  # pragma: no cover  # the last attempt returns or raises

    def _put(self, record: Record, over: Record | None) -> str:
        body = record.to_json()
        if over is None:
            response = self._client.put_object(
                Bucket=self._bucket, Key=record.key, Body=body, ContentType="application/json", IfNoneMatch="*"
            )
        else:
            response = self._client.put_object(
                Bucket=self._bucket, Key=record.key, Body=body, ContentType="application/json", IfMatch=over.etag
            )
        return response["ETag"]
