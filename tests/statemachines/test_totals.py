"""What is counted of a Map Run's results, in the form in which Step Functions writes them."""

import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from generate_image.errors import ConfigurationError, StorageError
from generate_image.totals import count
from local.account import BUCKET, Account

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

KEY = "results/run/manifest.json"


@pytest.fixture
def s3(account: Account) -> "S3Client":
    return account.session().client("s3", endpoint_url=account.endpoint)


def write(s3: "S3Client", **files: list[dict[str, Any]]) -> None:
    """Write results, each status in two files."""
    listed: dict[str, list[dict[str, Any]]] = {"FAILED": [], "PENDING": [], "SUCCEEDED": []}
    for status, results in files.items():
        for number, part in enumerate((results[:1], results[1:])):
            key = f"results/run/{status}_{number}.jsonl"
            body = "".join(json.dumps({"Status": status, **result}) + "\n" for result in part)
            s3.put_object(Bucket=BUCKET, Key=key, Body=body.encode())
            listed[status].append({"Key": key, "Size": len(body)})
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=json.dumps({"ResultFiles": listed}).encode())


def answered(**meta: object) -> dict[str, str]:
    return {"Output": json.dumps({"data": {"urlPath": "…"}, "_meta_": {"replayed": False, **meta}})}


def test_every_item_is_counted_under_what_became_of_it(s3: "S3Client") -> None:
    write(
        s3,
        SUCCEEDED=[
            answered(cost_usd=0.1),
            answered(cost_usd=0.2),
            answered(),
            answered(replayed=True, cost_usd=0.4),
        ],
        FAILED=[
            {"Error": "RateLimitedError", "Cause": "{}"},
            {"Error": "ContentRejectedError", "Cause": "{}"},
            {"Error": "RateLimitedError", "Cause": "{}"},
            {"Status": "TIMED_OUT"},
            {"Status": "ABORTED"},
        ],
        PENDING=[{}, {}],
    )

    assert count(s3, name="spring", bucket=BUCKET, key=KEY) == {
        "name": "spring",
        "asked": 11,
        "bought": 3,
        "replayed": 1,
        "failed": {"ABORTED": 1, "ContentRejectedError": 1, "RateLimitedError": 2, "TIMED_OUT": 1},
        "not_started": 2,
        "cost_usd": 0.3,
        "without_price": 1,
        "results": f"s3://{BUCKET}/{KEY}",
    }


def test_a_line_longer_than_what_is_read_at_once_is_one_result(s3: "S3Client") -> None:
    write(s3, SUCCEEDED=[answered(ballast="é" * 1_500_000), answered()])

    assert count(s3, name="spring", bucket=BUCKET, key=KEY)["bought"] == 2


def test_results_that_are_not_there_are_the_deployment_s_fault(s3: "S3Client") -> None:
    with pytest.raises(ConfigurationError, match="NoSuchKey"):
        count(s3, name="spring", bucket=BUCKET, key=KEY)


def test_an_s3_that_does_not_answer_is_worth_another_try() -> None:
    unreachable = boto3.Session("a", "b", region_name="us-east-1").client("s3", endpoint_url="http://127.0.0.1:9")

    with pytest.raises(StorageError, match="EndpointConnectionError"):
        count(unreachable, name="spring", bucket=BUCKET, key=KEY)
