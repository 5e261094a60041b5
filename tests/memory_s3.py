"""S3 in memory: the calls that the module makes, fast enough for thousands of schedules.

tests/account/test_memory_s3.py compares it with moto, call by call.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from hashlib import md5
from io import BytesIO
from typing import Any

from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError, ReadTimeoutError

from tests.proof.faults import KilledError, Kind


@dataclass(frozen=True)
class StoredObject:
    body: bytes
    content_type: str
    metadata: Mapping[str, str]
    modified: datetime
    expires: datetime | None

    @property
    def etag(self) -> str:
        return f'"{md5(self.body).hexdigest()}"'


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += seconds


class MemoryS3:
    """One bucket with S3's conditional writes. https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html"""

    def __init__(self, clock: Callable[[], float]) -> None:
        """clock: seconds since the epoch."""
        self._clock = clock
        self.objects: dict[str, StoredObject] = {}

    def put_object(self, *, Bucket: str, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401, ARG002, N803  # boto3's
        key, body, version = parameters["Key"], parameters["Body"], parameters.get("IfMatch")
        present = self.objects.get(key)
        if version is not None and present is None:
            raise client_error("NoSuchKey", 404, "PutObject")
        if present and (parameters.get("IfNoneMatch") == "*" or version not in (None, present.etag)):
            raise client_error("PreconditionFailed", 412, "PutObject")
        self.objects[key] = StoredObject(
            body if isinstance(body, bytes) else body.read(),
            parameters.get("ContentType", "binary/octet-stream"),
            dict(parameters.get("Metadata", {})),
            self._now(),
            parameters.get("Expires"),
        )
        return {"ETag": self.objects[key].etag}

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: ARG002, N803
        found = self._found(Key, "NoSuchKey", "GetObject")
        return self._head(found) | {"Body": BytesIO(found.body)}

    def head_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: ARG002, N803
        return self._head(self._found(Key, "404", "HeadObject"))

    def generate_presigned_url(self, _: str, Params: Mapping[str, str], ExpiresIn: int) -> str:  # noqa: N803
        """Return a URL with the fields of a presigned link. It has no signature."""
        signed = self._now().strftime("%Y%m%dT%H%M%SZ")
        return f"https://s3/{Params['Bucket']}/{Params['Key']}?X-Amz-Date={signed}&X-Amz-Expires={ExpiresIn}"

    def _found(self, key: str, code: str, operation: str) -> StoredObject:
        if key not in self.objects:
            raise client_error(code, 404, operation)
        return self.objects[key]

    def _head(self, found: StoredObject) -> dict[str, Any]:
        return {
            "ETag": found.etag,
            "ContentType": found.content_type,
            "Metadata": dict(found.metadata),
            "LastModified": found.modified,
        }

    def _now(self) -> datetime:
        return datetime.fromtimestamp(int(self._clock()), UTC)


def client_error(code: str, status: int, operation: str) -> ClientError:
    """Return boto3's exception for an error response."""
    return ClientError(
        {"Error": {"Code": code, "Message": "from the fake"}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]  # the fields that are read
        operation,
    )


ERRORS = {
    Kind.ERROR: ("InternalError", 500),
    Kind.CONFLICT: ("ConditionalRequestConflict", 409),
    Kind.DENIED: ("AccessDenied", 403),
}
Effect = Callable[[], dict[str, Any]]


def under_fault(kind: Kind | None, name: str, effect: Effect, late: list[Effect]) -> dict[str, Any]:
    """Make a call to AWS. late: gets an effect that comes after the end of the invocation."""
    if kind in {Kind.REFUSED, Kind.DOWN}:
        raise EndpointConnectionError(endpoint_url="https://aws")
    if kind in ERRORS:
        raise client_error(*ERRORS[kind], name)
    if kind is Kind.DIES_BEFORE:
        raise KilledError
    if kind is Kind.LATE:
        late.append(effect)
        raise ReadTimeoutError(endpoint_url="https://aws")
    try:
        response = effect()
    finally:
        if kind is Kind.DIES_AFTER:
            raise KilledError
        if kind is Kind.LOST:
            raise ConnectionClosedError(endpoint_url="https://aws")
        if kind is Kind.OUT_OF_TIME:
            raise ReadTimeoutError(endpoint_url="https://aws")
    return response


def run_late(effects: Iterable[Effect]) -> None:
    """Let late writes take effect, as far as their conditions allow."""
    for effect in effects:
        with suppress(ClientError):
            effect()


class ScriptedS3(MemoryS3):
    """S3 whose next calls meet the faults in ``writes`` and ``reads``. After these, every call succeeds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__(clock)
        self.writes: list[Kind | None] = []
        self.reads: list[Kind] = []
        self.late: list[Effect] = []
        self.puts = 0

    def put_object(self, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401  # boto3's
        self.puts += 1
        body = parameters["Body"]
        sent = parameters | {"Body": body if isinstance(body, bytes) else body.read()}
        kind = self.writes.pop(0) if self.writes else None
        return under_fault(kind, "PutObject", partial(super().put_object, **sent), self.late)

    def get_object(self, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401  # boto3's
        kind = self.reads.pop(0) if self.reads else None
        return under_fault(kind, "GetObject", partial(super().get_object, **parameters), self.late)
