"""The totals of a Map Run's results."""

import json
from typing import Any

from generate_image.functions.count_results import totals


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
        {"Status": "FAILED", "Error": "RateLimitedError", "Cause": "{}"},
        {"Status": "FAILED", "Error": "ContentRejectedError", "Cause": "{}"},
        {"Status": "FAILED", "Error": "RateLimitedError", "Cause": "{}"},
        {"Status": "TIMED_OUT"},
        {"Status": "PENDING"},
        {"Status": "PENDING"},
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
