"""The cost that a shard settles for a picture, from the record of that picture."""

from typing import Any

import pytest

from generate_image.batch.results import cost_of_record
from generate_image.errors import ContentRejectedError, OutcomeUnknownError, RateLimitedError
from generate_image.money import MicroUsd
from generate_image.picture import BATCH, BoughtPicture, Usage
from generate_image.record import Record, Status
from generate_image.shard import Shard

BOUGHT = BoughtPicture("gpt-image-2", "req_1", Usage(0, 1000, 1000), pricing=BATCH)
REFUSED = {"one": RateLimitedError("Too many.").to_dict()}


@pytest.mark.parametrize(
    ("found", "errors", "cost"),
    [
        ({"status": Status.STORED, "bought": BOUGHT}, {}, 15_000),
        ({"status": Status.RELEASED}, {}, 0),
        ({"status": Status.FAILED, "error": ContentRejectedError("Rejected.")}, {}, 0),
        ({"status": Status.FAILED, "error": OutcomeUnknownError("Unknown.")}, {}, None),
        ({"status": Status.STORED, "bought": BOUGHT, "holder": "another"}, {}, None),
        ({"status": Status.STORED, "bought": BOUGHT, "holder": "another"}, REFUSED, 0),
        (None, {}, None),
    ],
    ids=["stored", "released", "rejected", "unknown", "lease expired", "refused, bought by another", "none"],
)
def test_cost_follows_from_the_record(found: dict[str, Any] | None, errors: dict[str, Any], cost: MicroUsd) -> None:
    """None: the shard's purchase may be billed, so the whole reservation stays."""
    shard = Shard(id="shard", execution="a", client_id="1", credentials_id="c", models=("gpt-image-2",), errors=errors)
    started = Record(Status.STARTED, "1", "one", "hash", "shard", 90_000.0, "a cat")
    record = None if found is None else started._replace(**found)

    assert cost_of_record(record, shard, "one") == cost
