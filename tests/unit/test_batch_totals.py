"""The totals of a batch, and the cost that a shard settles for a picture."""

import json
from typing import Any

import pytest

from generate_image.batch.results import cost_of_record
from generate_image.errors import RateLimitedError
from generate_image.functions.count_results import totals
from generate_image.money import MicroUsd
from generate_image.picture import BATCH, BoughtPicture, Usage
from generate_image.record import Record, Status
from generate_image.shard import Shard


def succeeded(**meta: object) -> dict[str, str]:
    return {"Status": "SUCCEEDED", "Output": json.dumps({"data": {}, "_meta_": {"replayed": False, **meta}})}


def test_totals_count_each_item_once() -> None:
    """Step Functions can leave out the output of a result: the item counts as bought without a price.

    https://docs.aws.amazon.com/step-functions/latest/apireference/API_CloudWatchEventsExecutionDataDetails.html
    """
    results: list[dict[str, Any]] = [
        succeeded(cost_usd=0.1),
        succeeded(cost_usd=0.2),
        succeeded(),
        {"Status": "SUCCEEDED", "OutputDetails": {"Included": False}},
        {"Status": "SUCCEEDED", "Output": None},
        succeeded(replayed=True, cost_usd=0.4),
        succeeded(replayed=True),
        *[{"Status": "FAILED", "Error": "RateLimitedError", "Cause": "{}"}] * 2,
        {"Status": "FAILED", "Error": "ContentRejectedError", "Cause": "{}"},
        {"Status": "TIMED_OUT"},
        *[{"Status": "PENDING"}] * 2,
    ]
    expected = {
        "asked": 13,
        "bought": 5,
        "replayed": 2,
        "failed": {"ContentRejectedError": 1, "RateLimitedError": 2, "TIMED_OUT": 1},
        "not_started": 2,
        "cost_usd": 0.3,
        "saved_usd": 0.0,
        "without_price": 3,
    }

    assert totals(results) == expected
    assert totals(results, "batch") == expected | {"saved_usd": 0.3}


@pytest.mark.parametrize(
    ("holder", "errors", "cost"),
    [
        ("shard", {}, 15_000),
        ("another", {}, None),
        ("another", {"one": RateLimitedError("Too many.").to_dict()}, 0),
        (None, {}, None),
    ],
    ids=["stored", "lease expired", "refused, bought by another", "no record"],
)
def test_cost_follows_from_the_record(holder: str | None, errors: dict[str, Any], cost: MicroUsd | None) -> None:
    """None: the shard's purchase may be billed, so the whole reservation stays."""
    shard = Shard(id="shard", execution="a", client_id="1", credentials_id="c", models=("gpt-image-2",), errors=errors)
    bought = BoughtPicture("gpt-image-2", "req_1", Usage(0, 1000, 1000), pricing=BATCH)
    stored = Record(Status.STORED, "1", "one", "hash", holder or "", 90_000.0, "a cat", bought=bought)

    assert cost_of_record(stored if holder else None, shard, "one") == cost
