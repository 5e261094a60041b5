"""The paths of each function. Ways through it that need the same rights are one path."""

import json
import time
from functools import cache
from typing import Any
from uuid import uuid4

import pytest

from generate_image.aws.batch_files import PART_BYTES
from generate_image.aws.ledger import Ledger, month_of
from generate_image.errors import ConfigurationError, InvalidRequestError
from generate_image.picture import BoughtPicture, StoredPicture, object_key
from generate_image.record import Record, Status
from local.account import CREDENTIALS_ID
from local.expand_template import ACCOUNT, REGION
from local.gateway import Gateway
from tests.contract import CONTRACT
from tests.events import event_for
from tests.proof.rights.iam import Request
from tests.proof.rights.world import Path, World

GATEWAY = Gateway(CONTRACT, lambda event, _: event)
PROMPT_CHARACTERS = 200_000


def new_event(**fields: object) -> dict[str, Any]:
    """Return an event with a key of its own."""
    return event_for("A lighthouse", idempotency_key=str(uuid4()), **fields)


def follow_link(world: World, key: str) -> None:
    """Get a picture as its link does: S3 grants a presigned link the rights of its signer."""
    if not world.environ["CLOUDFRONT_DOMAIN"]:
        world.clients.s3.get_object(Bucket=world.bucket, Key=key)


def bought(world: World, event: object, **settings: str) -> Any:  # noqa: ANN401  # JSON
    """Return ``_meta_`` of a picture: from the generate function, or from a shard of one item that runs to its end."""
    if world.subject.logical_id == "GenerateImageFunction":
        return world.invoke(event, **settings)["_meta_"]
    shard = {"execution": str(uuid4()), "items": [event], "poll_seconds": 1}
    step: dict[str, Any] = {"next": "submit", "shards": []}
    for _ in range(6):  # the most steps of an undisturbed shard
        if step["next"] != "done":
            step = world.invoke(shard | {"step": step["next"], "shards": step["shards"]}, **settings)
    [file] = step["results"]["SUCCEEDED"]
    result = json.loads(world.s3.get_object(Bucket=world.bucket, Key=file["Key"])["Body"].read())
    return json.loads(result["Output"])["_meta_"]


def log_and_traces_are_written(world: World) -> None:
    """Require what Lambda does under every function's role."""
    properties = world.subject.properties
    if properties["TracingConfig"]["Mode"] == "Active":
        world.require(Request("xray:PutTraceSegments", "*"))
        world.require(Request("xray:PutTelemetryRecords", "*"))
    group = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{properties['LoggingConfig']['LogGroup']}"
    world.require(Request("logs:CreateLogStream", f"{group}:log-stream:2026"))
    world.require(Request("logs:PutLogEvents", f"{group}:log-stream:2026"))


def picture_is_bought_replayed_and_bought_again(world: World) -> None:
    event = new_event()
    key = bought(world, event)["key"]
    follow_link(world, key)
    assert bought(world, event)["replayed"]
    world.s3.delete_object(Bucket=world.bucket, Key=key)
    assert not bought(world, event)["replayed"]


def picture_under_a_budget_is_bought(world: World) -> None:
    client_id = str(uuid4())
    bought(world, new_event(client_id=client_id), MONTHLY_BUDGET_USD="100")
    assert world.s3.list_objects_v2(Bucket=world.bucket, Prefix=f"budgets/cli_{client_id}/")["KeyCount"] == 1


def picture_is_requested(world: World) -> None:
    created = _http(world, "POST", "/clients/1/images", 202)
    _http(world, "GET", created["headers"]["Location"], 202)


def stored_picture_is_linked(world: World) -> None:
    image_id = str(uuid4())
    key = object_key("1", image_id, ".png")
    record = Record(
        status=Status.STORED,
        client_id="1",
        image_id=image_id,
        request_hash="hash",
        holder="an ended invocation",
        lease_until=0,
        prompt="A lighthouse",
        bought=BoughtPicture("gpt-image-2"),
        stored=StoredPicture(key, "image/png", 0),
    )
    world.put(key, b"picture")
    world.put(record.key, record.to_json())
    _http(world, "GET", f"/clients/1/images/{image_id}", 200)
    follow_link(world, key)


def budget_is_reported_if_it_exists(world: World) -> None:
    world.put(f"budgets/cli_1/{month_of(time.time())}.json", Ledger().to_json())
    _http(world, "GET", "/clients/1/budget", 200)
    _http(world, "GET", "/clients/2/budget", 404)


def large_list_is_prepared_in_parts(world: World) -> None:
    assert world.invoke(_prepare(world, _large_list()))["items"] > 1


def upload_of_invalid_list_is_aborted(world: World) -> None:
    event = _prepare(world, _large_list() + b"0,A lighthouse\n")
    with pytest.raises(InvalidRequestError):
        world.invoke(event)
    uploads = world.s3.list_multipart_uploads(Bucket=world.bucket).get("Uploads", [])
    assert not [upload for upload in uploads if event["execution"] in upload["Key"]]


def missing_list_is_named(world: World) -> None:
    with pytest.raises(InvalidRequestError):
        world.invoke({**_prepare(world, b""), "input": {"list": "lists/missing.csv"}})


def shards_are_counted(world: World) -> None:
    prefix = f"results/{uuid4()}"
    files = {"SUCCEEDED": [{"Key": f"{prefix}/shards/SUCCEEDED_0.jsonl"}]}
    manifest = {"ResultFiles": {"SUCCEEDED": [{"Key": f"{prefix}/run/SUCCEEDED_0.jsonl"}]}}
    world.put(f"{prefix}/run/manifest.json", json.dumps(manifest))
    world.put(f"{prefix}/run/SUCCEEDED_0.jsonl", json.dumps({"Status": "SUCCEEDED", "Output": json.dumps(files)}))
    item = {"Status": "SUCCEEDED", "Output": '{"_meta_": {"replayed": false}}'}
    world.put(f"{prefix}/shards/SUCCEEDED_0.jsonl", json.dumps(item))
    event = _count(world, f"{prefix}/run/manifest.json") | {"pricing": "batch", "key": f"{prefix}/items.jsonl"}
    totals = world.invoke(event)
    assert (totals["bought"], totals["results"]) == (1, f"s3://{world.bucket}/{prefix}/manifest.json")


def missing_results_are_named(world: World) -> None:
    with pytest.raises(ConfigurationError, match=r"results/missing/manifest\.json"):
        world.invoke(_count(world, "results/missing/manifest.json"))


def models_are_checked(world: World) -> None:
    [target] = world.subject.stack.properties("ModelWatchFunctionEveryDay")["Targets"]
    assert set(world.invoke(json.loads(target["Input"]))) == set(world.environ["IMAGE_MODELS"].split(","))


def _http(world: World, method: str, path: str, status: int) -> Any:  # noqa: ANN401  # API Gateway's response
    """Return the response of a request, which has this status."""
    body = json.dumps(new_event()).encode() if method == "POST" else b""
    event = GATEWAY.event(method, path, {"Content-Type": "application/json", "Prefer": "respond-async"}, body)
    # The results of both authorizers; the function uses that of its stack.
    event["requestContext"]["authorizer"] = {
        "iam": {"userArn": f"arn:aws:iam::{ACCOUNT}:user/flow"},
        "jwt": {"claims": {"client_id": event["pathParameters"]["client_id"]}},
    }
    response = world.invoke(event)
    assert response["statusCode"] == status, response
    return response


def _prepare(world: World, content: bytes) -> dict[str, Any]:
    """Store a list and return the state machine's event for it."""
    key = f"lists/{uuid4()}.csv"
    world.put(key, content)
    return {
        "input": {"list": key, "client_id": 1, "credentials_id": CREDENTIALS_ID},
        "execution": str(uuid4()),
        "max_concurrency": 5,
        "tolerated_failure_percentage": 100,
    }


@cache
def _large_list() -> bytes:
    """Return a list whose prepared items need more than one part of an upload."""
    prompt = "x" * PROMPT_CHARACTERS
    rows = (f"{number},{prompt}\n" for number in range(PART_BYTES // PROMPT_CHARACTERS + 2))
    return "".join(["id,prompt\n", *rows]).encode()


def _count(world: World, key: str) -> dict[str, Any]:
    return {"name": "spring", "map_run": {"ResultWriterDetails": {"Bucket": world.bucket, "Key": key}}}


PATHS: dict[str, list[Path]] = {
    "GenerateImageFunction": [picture_is_bought_replayed_and_bought_again, picture_under_a_budget_is_bought],
    "ApiFunction": [picture_is_requested, stored_picture_is_linked, budget_is_reported_if_it_exists],
    "PrepareListFunction": [large_list_is_prepared_in_parts, upload_of_invalid_list_is_aborted, missing_list_is_named],
    "BatchShardsFunction": [picture_is_bought_replayed_and_bought_again, picture_under_a_budget_is_bought],
    "CountResultsFunction": [shards_are_counted, missing_results_are_named],
    "ModelWatchFunction": [models_are_checked],
}
"""By the function's name in the template. Each function has the path ``log_and_traces_are_written`` too."""
