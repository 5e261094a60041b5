"""The function that counts a batch: the place of its results in, its totals out.

Step Functions has no arithmetic, and the results of a million pictures are gigabytes.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any

from generate_image.aws.batch_files import BatchFiles, MissingObjectError
from generate_image.batch.shard_results import write_manifest
from generate_image.errors import ConfigurationError
from generate_image.functions._runtime import Environment, LambdaContext, Serve, entry_point
from generate_image.picture import BATCH


def build(environment: Environment) -> Serve:
    """Return the function."""
    files = BatchFiles(environment.clients.s3, environment.settings.image_bucket)

    def serve(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
        """Return the totals. event: the result of prepare_list, and ``map_run``.

        Raises StorageError and ConfigurationError.
        """
        del context
        # An empty list starts no Map Run, and AWS does not document whether each Map Run writes results.
        written = event.get("map_run", {}).get("ResultWriterDetails")
        if not written:
            return {"name": event["name"], **totals([]), "results": None}
        key = written["Key"]
        try:
            if event.get("pricing") == BATCH:
                key = write_manifest(files, key, PurePosixPath(event["key"]).parent.as_posix(), written["Bucket"])
            counted = totals(files.results(key), event.get("pricing", "standard"))
        except MissingObjectError as error:
            raise ConfigurationError(
                f"S3 has no {error}. Check that the batch's role may write it, and that nothing deletes it."
            ) from error
        return {"name": event["name"], **counted, "results": f"s3://{written['Bucket']}/{key}"}

    return serve


def totals(results: Iterable[Mapping[str, Any]], pricing: str = "standard") -> dict[str, Any]:
    """Add up the results of a batch.

    asked: its items. Each is bought, replayed, failed or not started. failed: their number by error. cost_usd: of the
    bought ones. saved_usd: what they would have cost more at the standard price, which is twice that of a batch.
    without_price: the number of bought ones without a known price.
    """
    counts: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    cost = Decimal(0)
    for result in results:
        counts["asked"] += 1
        if result["Status"] == "SUCCEEDED":
            meta = _meta(result)
            is_replayed = bool(meta.get("replayed"))
            counts["replayed" if is_replayed else "bought"] += 1
            if not is_replayed:
                counts["without_price"] += "cost_usd" not in meta
                cost += Decimal(str(meta.get("cost_usd", 0)))
        elif result["Status"] == "PENDING":
            counts["not_started"] += 1
        else:
            failed[result.get("Error") or result["Status"]] += 1
    return {
        "asked": counts["asked"],
        "bought": counts["bought"],
        "replayed": counts["replayed"],
        "failed": dict(sorted(failed.items())),
        "not_started": counts["not_started"],
        "cost_usd": float(cost),
        "saved_usd": float(cost) if pricing == BATCH else 0.0,
        "without_price": counts["without_price"],
    }


def _meta(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the answer's ``_meta_``. Step Functions can leave out the output of a result (``OutputDetails``)."""
    meta: Mapping[str, Any] = json.loads(result.get("Output") or "{}").get("_meta_", {})
    return meta


handler = entry_point(build, service="count-results")
