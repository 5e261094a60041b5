"""The totals of a Map Run's results."""

import json

from generate_image.functions.count_results import totals


def succeeded(**meta: object) -> dict[str, str]:
    return {"Status": "SUCCEEDED", "Output": json.dumps({"data": {}, "_meta_": {"replayed": False, **meta}})}


def test_totals_count_each_item_once() -> None:
    results = [
        succeeded(cost_usd=0.1),
        succeeded(cost_usd=0.2),
        succeeded(),
        succeeded(replayed=True, cost_usd=0.4),
        {"Status": "FAILED", "Error": "RateLimitedError", "Cause": "{}"},
        {"Status": "FAILED", "Error": "ContentRejectedError", "Cause": "{}"},
        {"Status": "FAILED", "Error": "RateLimitedError", "Cause": "{}"},
        {"Status": "TIMED_OUT"},
        {"Status": "ABORTED"},
        {"Status": "PENDING"},
        {"Status": "PENDING"},
    ]

    assert totals(results) == {
        "asked": 11,
        "bought": 3,
        "replayed": 1,
        "failed": {"ABORTED": 1, "ContentRejectedError": 1, "RateLimitedError": 2, "TIMED_OUT": 1},
        "not_started": 2,
        "cost_usd": 0.3,
        "saved_usd": 0.0,
        "without_price": 1,
    }


def test_batch_saved_as_much_as_it_cost() -> None:
    assert totals([succeeded(cost_usd=0.1), succeeded(cost_usd=0.2)], "batch")["saved_usd"] == 0.3


def test_result_without_output_counts_as_bought_without_price() -> None:
    # https://docs.aws.amazon.com/step-functions/latest/apireference/API_CloudWatchEventsExecutionDataDetails.html
    excluded = {"Status": "SUCCEEDED", "OutputDetails": {"Included": False}}

    counted = totals([excluded, excluded | {"Output": None}, excluded | {"Output": "{}"}])

    assert (counted["bought"], counted["without_price"], counted["cost_usd"]) == (3, 3, 0)
