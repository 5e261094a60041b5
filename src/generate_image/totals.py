"""The function that counts: the place of a batch's results in, its totals out.

Step Functions has no arithmetic, so what a Distributed Map wrote is added up here: line by line, because the results of
a million pictures are gigabytes.
"""

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from generate_image import collect_garbage_as_usual
from generate_image.deadline import LambdaContext
from generate_image.errors import ConfigurationError, StorageError
from generate_image.handler import AWS_CONFIG, told
from generate_image.storage import NO_SUCH_KEY, NOT_ALLOWED
from generate_image.telemetry import SERVICE, Telemetry

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CHUNK_BYTES = 1024 * 1024


def count(s3: "S3Client", *, name: str, bucket: str, key: str) -> dict[str, Any]:
    """Return what a batch came to; its manifest is at ``key``. Raises StorageError and ConfigurationError.

    asked: its items; each was bought, replayed or failed, or had not started when the batch was stopped. failed: how
    many, by the error's name. cost_usd: of what was bought; without_price: how many of those have no known price.
    results: the manifest, which names the files that hold every item's answer or error.

    https://docs.aws.amazon.com/step-functions/latest/dg/input-output-resultwriter.html
    """
    counts: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    cost = Decimal(0)
    try:
        manifest = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        for result in _results(s3, bucket, manifest["ResultFiles"]):
            counts["asked"] += 1
            if result["Status"] == "SUCCEEDED":
                meta = json.loads(result["Output"])["_meta_"]
                counts["replayed" if meta["replayed"] else "bought"] += 1
                if not meta["replayed"]:
                    counts["without_price"] += "cost_usd" not in meta
                    cost += Decimal(str(meta.get("cost_usd", 0)))
            elif result["Status"] == "PENDING":
                counts["not_started"] += 1
            else:
                failed[result.get("Error") or result["Status"]] += 1
    except (ClientError, BotoCoreError) as error:
        raise _storage_error(error) from error
    return {
        "name": name,
        "asked": counts["asked"],
        "bought": counts["bought"],
        "replayed": counts["replayed"],
        "failed": dict(sorted(failed.items())),
        "not_started": counts["not_started"],
        "cost_usd": float(cost),
        "without_price": counts["without_price"],
        "results": f"s3://{bucket}/{key}",
    }


def _results(s3: "S3Client", bucket: str, files: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for file in (file for files_of_status in files.values() for file in files_of_status):
        body = s3.get_object(Bucket=bucket, Key=file["Key"])["Body"]
        for line in body.iter_lines(CHUNK_BYTES):
            if line.strip():
                yield json.loads(line)


def _storage_error(error: ClientError | BotoCoreError) -> StorageError | ConfigurationError:
    code = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
    if code in NOT_ALLOWED | NO_SUCH_KEY:
        return ConfigurationError(f"S3 did not give the batch's results ({code}). Check what the role may read.")
    return StorageError(f"S3 did not give the batch's results ({code}). Counting again may help.")


@cache
def _telemetry() -> Telemetry:
    return Telemetry(service=os.environ.get("POWERTOOLS_SERVICE_NAME", SERVICE))


@cache
def _s3() -> "S3Client":
    made = boto3.client("s3", config=AWS_CONFIG)
    collect_garbage_as_usual()
    return made


def handler(event: Mapping[str, str], context: LambdaContext) -> dict[str, Any]:
    """Count one batch: AWS Lambda's entry point. event: ``{"name", "bucket", "key"}``; key is the manifest's."""
    return told(_telemetry(), context, lambda: count(_s3(), **event))
