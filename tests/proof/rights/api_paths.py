"""The paths of the API function."""

import json
import time
from typing import Any
from uuid import uuid4

from generate_image.aws.ledger import Ledger, month_of
from generate_image.picture import BoughtPicture, StoredPicture, object_key
from generate_image.record import Record, Status
from local.expand_template import ACCOUNT
from local.gateway import Gateway
from tests.contract import CONTRACT
from tests.events import event_for
from tests.proof.rights.generate_image_paths import follow_link
from tests.proof.rights.world import Path, World

GATEWAY = Gateway(CONTRACT, lambda event, _: event)


def picture_is_requested(world: World) -> None:
    created = _call(world, "POST", "/clients/1/images")
    assert created["statusCode"] == 202, created
    status = _call(world, "GET", created["headers"]["Location"])
    assert status["statusCode"] == 202, status


def unknown_picture_is_not_found(world: World) -> None:
    response = _call(world, "GET", f"/clients/1/images/{uuid4()}")
    assert response["statusCode"] == 404, response


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
    for name, content in ((key, b"picture"), (record.key, record.to_json())):
        world.owner.s3.put_object(Bucket=world.bucket, Key=name, Body=content)
    response = _call(world, "GET", f"/clients/1/images/{image_id}")
    assert response["statusCode"] == 200, response
    follow_link(world, key)


def budget_is_reported(world: World) -> None:
    key = f"budgets/cli_1/{month_of(time.time())}.json"
    world.owner.s3.put_object(Bucket=world.bucket, Key=key, Body=Ledger().to_json())
    response = _call(world, "GET", "/clients/1/budget")
    assert response["statusCode"] == 200, response


def missing_budget_is_not_found(world: World) -> None:
    response = _call(world, "GET", "/clients/2/budget")
    assert response["statusCode"] == 404, response


PATHS: list[Path] = [
    picture_is_requested,
    unknown_picture_is_not_found,
    stored_picture_is_linked,
    budget_is_reported,
    missing_budget_is_not_found,
]


def _call(world: World, method: str, path: str) -> Any:  # noqa: ANN401  # API Gateway's response
    body = json.dumps(event_for("A lighthouse", idempotency_key=str(uuid4()))).encode() if method == "POST" else b""
    headers = {"Content-Type": "application/json", "Prefer": "respond-async"}
    event = GATEWAY.event(method, path, headers, body)
    # The results of both authorizers; the function uses that of its stack.
    event["requestContext"]["authorizer"] = {
        "iam": {"userArn": f"arn:aws:iam::{ACCOUNT}:user/flow"},
        "jwt": {"claims": {"client_id": event["pathParameters"]["client_id"]}},
    }
    return world.invoke(event)
