"""The parts that every step of a shard uses, and the rule for its next step."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeVar

from generate_image.aws.batch_files import BatchFiles
from generate_image.aws.links import Links
from generate_image.aws.pictures import PictureStore
from generate_image.aws.records import RecordChangedError, RecordStore
from generate_image.aws.secrets import CredentialsStore
from generate_image.aws.shards import ShardStore
from generate_image.budget import Budget
from generate_image.credentials import Credentials
from generate_image.deadline import Deadline
from generate_image.errors import GenerateImageError
from generate_image.lease import Leases
from generate_image.log import Log
from generate_image.provider.batch_api import BatchApi
from generate_image.record import Record
from generate_image.settings import Settings
from generate_image.shard import Phase, Shard
from generate_image.state import is_open

T = TypeVar("T")

LEASE_SECONDS = 25 * 3600
"""The provider's only completion window, 24 hours, and an hour for the import."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """The parts of the function."""

    settings: Settings
    deadline: Deadline
    credentials: CredentialsStore
    leases: Leases
    records: RecordStore
    pictures: PictureStore
    budget: Budget
    api: BatchApi
    shards: ShardStore
    files: BatchFiles
    links: Links
    log: Log

    def save(self, shard: Shard, **changes: Any) -> Shard:  # noqa: ANN401  # fields of Shard
        """Write a shard with changes. Raises StorageError if another invocation changed it."""
        return self.shards.write(replace(shard, **changes))

    def refuse(self, shard: Shard, error: GenerateImageError) -> Shard:
        """Save that no batch buys these pictures. Only then are their records released, by the import."""
        return self.save(shard, phase=Phase.REFUSED, refusal=error.to_dict())

    def next_model(self, shard: Shard, error: GenerateImageError, **changes: Any) -> Shard:  # noqa: ANN401
        """Save that the next model is to be tried; without one, refuse. Certainly no batch of this model bought them.

        changes: fields of Shard.
        """
        if len(shard.models) == 1:
            return self.refuse(shard, error)
        return self.save(
            shard,
            phase=Phase.UPLOAD,
            models=shard.models[1:],
            ended=(*shard.ended, *filter(None, [shard.batch_id])),
            batch_id="",
            **changes,
        )

    def with_credentials(self, shard: Shard, call: Callable[[Credentials], T]) -> T:
        """Return the result of a call to the provider. A refused key is read again: it may be rotated."""
        return self.credentials.call(shard.client_id, shard.credentials_id, call)

    def own(self, shard: Shard, image_ids: Iterable[str]) -> Iterator[Record]:
        """Yield the records of these pictures that have the shard as their holder."""
        for image_id in image_ids:
            record = self.records.read(shard.client_id, image_id)
            if record is not None and record.holder == shard.id:
                yield record

    def held(self, shard: Shard) -> Iterator[Record]:
        """Yield the records of the requested pictures that have no outcome, also after their leases have expired."""
        return filter(is_open, self.own(shard, shard.requested))

    def write(self, record: Record, *, replacing: Record) -> bool:
        """Write a record. Return False if another invocation changed it first."""
        try:
            self.records.write(record, replacing=replacing)
        except RecordChangedError:
            return False
        return True


class Step(NamedTuple):
    """The next step of a shard. name: ``submit``, ``check``, ``import`` or ``done``. seconds: to wait before it."""

    name: str
    seconds: int = 0


def next_step(shards: Iterable[Shard], now: float, poll_seconds: int) -> Step:
    """Return the next step of all shards of an execution. now: seconds since the epoch."""
    steps = [_step(shard, now, poll_seconds) for shard in shards]
    for name in ("import", "submit"):
        if any(step.name == name for step in steps):
            return Step(name)
    waits = [step.seconds for step in steps if step.name == "check"]
    return Step("check", min(waits)) if waits else Step("import")  # the import of nothing writes the results


def _step(shard: Shard, now: float, poll_seconds: int) -> Step:
    match shard.phase:
        case Phase.SUBMIT if shard.retry_at > now:
            return Step("check", max(1, min(poll_seconds, round(shard.retry_at - now))))
        case Phase.UPLOAD | Phase.SUBMIT:
            return Step("submit")
        case Phase.SUBMITTING | Phase.SUBMITTED:
            return Step("check", poll_seconds)
        case Phase.IMPORTED:
            return Step("done")
    return Step("import")
