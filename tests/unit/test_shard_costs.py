"""The cost that a shard settles for a picture, from the record of that picture."""

from dataclasses import replace

import pytest

from generate_image.batch.results import cost_of_record
from generate_image.errors import ContentRejectedError, GenerateImageError, OutcomeUnknownError, RateLimitedError
from generate_image.money import MicroUsd
from generate_image.picture import BATCH, BoughtPicture, Usage
from generate_image.record import Record, Status
from generate_image.shard import Shard

SHARD = Shard(
    id="shard",
    execution="execution",
    client_id="1",
    credentials_id="openai",
    models=("gpt-image-2",),
    planned_at=0.0,
    lease_until=90_000.0,
)
BOUGHT = BoughtPicture("gpt-image-2", "req_1", Usage(0, 1000, 1000), pricing=BATCH)


def record(status: Status, holder: str = "shard", error: GenerateImageError | None = None) -> Record:
    bought = BOUGHT if status is Status.STORED else None
    return Record(status, "1", "one", "hash", holder, 90_000.0, "a cat", bought=bought, error=error)


@pytest.mark.parametrize(
    ("found", "cost"),
    [
        (record(Status.STORED), 15_000),
        (record(Status.RELEASED), 0),
        (record(Status.FAILED, error=ContentRejectedError("Rejected.")), 0),
        (record(Status.FAILED, error=OutcomeUnknownError("Unknown.")), None),
        (record(Status.STORED, holder="another"), None),
        (None, None),
    ],
    ids=["stored", "released", "rejected", "unknown", "bought again", "none"],
)
def test_cost_follows_from_the_record(found: Record | None, cost: MicroUsd | None) -> None:
    assert cost_of_record(found, SHARD, "one") == cost


def test_refused_picture_that_another_bought_is_free() -> None:
    """Without that error, the shard's own purchase may be billed: its lease expired with an unknown outcome."""
    refused = replace(SHARD, errors={"one": RateLimitedError("Too many.").to_dict()})
    assert cost_of_record(record(Status.STORED, holder="another"), refused, "one") == 0
