"""The progress of a shard: a document in S3 that each step reads first and writes under a condition.

A shard is the part of a list that one batch of the provider buys: one client, one credential, one model.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Self

from generate_image.errors import ConfigurationError


class Phase(StrEnum):
    """The next thing to do."""

    UPLOAD = "upload"
    """The leases are acquired. The file of requests is to be uploaded."""
    SUBMIT = "submit"
    """The file is uploaded. A batch is to be submitted; certainly none exists that counts."""
    SUBMITTING = "submitting"
    """A batch may exist: its submission was begun, and its result is not known."""
    SUBMITTED = "submitted"
    """The batch exists."""
    ENDED = "ended"
    """The batch has ended. Its files are to be imported."""
    REFUSED = "refused"
    """No batch buys these pictures. Their records are to be released."""
    IMPORTED = "imported"
    """Each record has its outcome."""


@dataclass(frozen=True, kw_only=True)
class Shard:
    """One shard. All moments are seconds since the epoch.

    id: also the holder of its leases. models: those that are left to try, the current one first. has_budget: whether
    money is reserved. image_ids: the pictures whose leases it acquired. requested: those in the current file. errors:
    of pictures whose record keeps none, by image id, as ``to_dict`` returns them. refusal: the error of all pictures in
    phase ``refused``. submissions: begun for the current file. looks: searches that found no batch. missing_file: how
    often the provider did not find the file. retry_at: no submission before. ended: batches that bought nothing.
    completed: requests, by the provider's count. offset, lines: imported of the output file. fetches: how often it
    ended early. version: of the last write.
    """

    id: str
    execution: str
    client_id: str
    credentials_id: str
    models: tuple[str, ...]
    has_budget: bool = False
    image_ids: tuple[str, ...] = ()
    requested: tuple[str, ...] = ()
    errors: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    refusal: Mapping[str, Any] | None = None
    phase: Phase = Phase.UPLOAD
    planned_at: float = 0.0
    lease_until: float = 0.0
    file_id: str = ""
    submissions: int = 0
    submitted_at: float = 0.0
    looks: int = 0
    missing_file: int = 0
    retry_at: float = 0.0
    batch_id: str = ""
    ended: tuple[str, ...] = ()
    output_file_id: str | None = None
    error_file_id: str | None = None
    completed: int = 0
    offset: int = 0
    lines: int = 0
    fetches: int = 0
    version: str = ""
    etag: str = field(default="", compare=False)

    @property
    def key(self) -> str:
        """The S3 key of the document."""
        return shard_key(self.execution, self.id)

    @property
    def model(self) -> str:
        """The model of the batch."""
        return self.models[0]

    def to_json(self) -> bytes:
        """Return the object that S3 stores."""
        content = asdict(self)
        del content["etag"]
        return json.dumps(content).encode()

    @classmethod
    def from_json(cls, content: bytes, etag: str) -> Self:
        """Return the shard of an S3 object. Raises ConfigurationError for an object of another format."""
        try:
            fields = json.loads(content)
            for name in ("models", "image_ids", "requested", "ended"):
                fields[name] = tuple(fields[name])
            fields["phase"] = Phase(fields["phase"])
            return cls(**fields, etag=etag)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ConfigurationError("The bucket holds a shard of an unknown format. Start the list again.") from error


def shard_key(execution: str, shard_id: str) -> str:
    """Return the S3 key of a shard. execution: the name of the batch's execution."""
    return f"results/{execution}/shards/{shard_id}.json"
