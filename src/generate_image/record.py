"""The record of one purchase, stored beside the picture. Its JSON format is the same since version 1.

A record is written only under a condition (S3's ``If-None-Match: *`` and ``If-Match``), so one of several callers wins.
Its status changes only as NEXT allows. docs/bought-once.md draws the same table.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple

from generate_image.errors import ConfigurationError, GenerateImageError
from generate_image.options import NO_OPTIONS, Options
from generate_image.picture import BoughtPicture, StoredPicture, Usage, object_key


class Status(StrEnum):
    """The progress of a purchase."""

    STARTED = "started"
    """A lease was acquired; the request may have been sent."""
    GENERATED = "generated"
    """Bought; the record holds the provider's URL."""
    STORED = "stored"
    """The picture is in S3."""
    FAILED = "failed"
    """A final error, which every replay raises again."""
    RELEASED = "released"
    """Nothing was billed; a retry may buy."""


NEXT: Mapping[Status | None, frozenset[Status]] = {
    None: frozenset({Status.STARTED}),
    Status.STARTED: frozenset({Status.GENERATED, Status.STORED, Status.FAILED, Status.RELEASED, Status.STARTED}),
    Status.GENERATED: frozenset({Status.GENERATED, Status.STORED, Status.FAILED}),
    Status.STORED: frozenset({Status.STARTED}),
    Status.FAILED: frozenset({Status.STORED, Status.STARTED}),
    Status.RELEASED: frozenset({Status.STARTED}),
}
"""The statuses that may follow each status.

started → started: the holder ends its lease because storing failed, or WHEN_OUTCOME_UNKNOWN=buy-again allows another
purchase. generated → generated: a retry acquires the lease, or its holder ends it. stored → started: the picture's
lifetime is over, and the key is new. failed → stored or started: only after OutcomeUnknownError.
"""


class Record(NamedTuple):
    """One purchase.

    holder: the id of the invocation that has the lease. lease_until: the end of the lease, in seconds since the epoch.
    passed_through: ``nextModule`` and ``data`` of the event. options: as the caller gave them. etag: S3's version of
    the record, not part of its content.
    """

    status: Status
    client_id: str
    image_id: str
    request_hash: str
    holder: str
    lease_until: float
    prompt: str
    passed_through: Mapping[str, Any] = MappingProxyType({})
    bought: BoughtPicture | None = None
    stored: StoredPicture | None = None
    error: GenerateImageError | None = None
    options: Options = NO_OPTIONS
    etag: str = ""

    @property
    def key(self) -> str:
        """The S3 key of the record."""
        return object_key(self.client_id, self.image_id, ".json")

    def require_bought(self) -> BoughtPicture:
        """Return the facts of the purchase. Raises ValueError before it."""
        if self.bought is None:
            raise ValueError(f"A record with status {self.status} has no purchase.")
        return self.bought

    def require_stored(self) -> StoredPicture:
        """Return the picture's place in S3. Raises ValueError before it is stored."""
        if self.stored is None:
            raise ValueError(f"A record with status {self.status} has no stored picture.")
        return self.stored

    def to_json(self) -> bytes:
        """Return the object that S3 stores."""
        content = {
            "status": self.status,
            "client_id": self.client_id,
            "image_id": self.image_id,
            "request_hash": self.request_hash,
            "claimant": self.holder,
            "until": datetime.fromtimestamp(self.lease_until, UTC).isoformat(),
            "asked": {"prompt": self.prompt, **self.passed_through, **self._options_to_json()},
            "picture": _picture_to_json(self.bought, self.stored),
            "error": self.error.to_dict() if self.error else {},
        }
        return json.dumps(content).encode()

    def _options_to_json(self) -> dict[str, Any]:
        """Return the options, as a field that version 1 keeps and ignores; a record without options has none."""
        return {"options": dict(self.options)} if self.options else {}

    @classmethod
    def from_json(cls, content: bytes, etag: str) -> "Record":
        """Return the record of an S3 object. Raises ConfigurationError for an object of another format."""
        try:
            fields = json.loads(content)
            asked = dict(fields["asked"])
            return cls(
                status=Status(fields["status"]),
                client_id=fields["client_id"],
                image_id=fields["image_id"],
                request_hash=fields["request_hash"],
                holder=fields["claimant"],
                lease_until=datetime.fromisoformat(fields["until"]).timestamp(),
                prompt=asked.pop("prompt"),
                options=dict(asked.pop("options", {})),
                passed_through=asked,
                bought=_bought_from_json(fields["picture"]),
                stored=_stored_from_json(fields["picture"]),
                error=GenerateImageError.from_dict(fields["error"]) if fields["error"] else None,
                etag=etag,
            )
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ConfigurationError(
                "The bucket holds a record of an unknown format. Nothing was bought; use a new idempotency key."
            ) from error


def _picture_to_json(bought: BoughtPicture | None, stored: StoredPicture | None) -> dict[str, Any]:
    usage = bought.usage._asdict() if bought and bought.usage else None
    facts = {
        **(bought._asdict() | {"usage": usage} if bought else {}),
        **(stored._asdict() if stored else {}),
    }
    return {name: value for name, value in facts.items() if value is not None}


def _bought_from_json(picture: Mapping[str, Any]) -> BoughtPicture | None:
    if "model" not in picture:
        return None
    usage = Usage(**picture["usage"]) if "usage" in picture else None
    known = {name: picture[name] for name in BoughtPicture._fields if name in picture}
    return BoughtPicture(**known | {"usage": usage})


def _stored_from_json(picture: Mapping[str, Any]) -> StoredPicture | None:
    known = {name: picture[name] for name in StoredPicture._fields if name in picture}
    return StoredPicture(**known) if "key" in picture else None
