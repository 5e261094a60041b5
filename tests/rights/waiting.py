"""The paths of the function that waits, each as far as it reaches into the account."""

import json
from typing import Any

from generate_image.api import Api, answered
from generate_image.identity import image_id, request_hash
from generate_image.records import Record, Status
from generate_image.request import ImageRequest
from generate_image.settings import Settings
from local.account import CREDENTIALS_ID
from local.gateway import Gateway
from local.lambda_context import LocalContext
from tests.api.http_client import CONTRACT
from tests.module import event_for
from tests.rights import buying
from tests.rights.world import World
from tests.template.stack import ACCOUNT

MACHINE = json.dumps({"StartAt": "Wait", "States": {"Wait": {"Type": "Pass", "End": True}}})
PROMPT = "A lighthouse"


def prepare(world: World) -> None:
    """Create what the stack and its operator create: the state machine, and the key that signs links where one does."""
    buying.prepare(world)
    world.of_owner("stepfunctions").create_state_machine(
        name="generateimagestatemachine", definition=MACHINE, roleArn=f"arn:aws:iam::{ACCOUNT}:role/machine"
    )


def a_picture_is_ordered_and_looked_for(world: World) -> None:
    ordered = _ask(world, "POST", "/clients/1/images", event_for(PROMPT, idempotency_key="ordered"))
    assert ordered["statusCode"] == 202, ordered["body"]
    assert _ask(world, "GET", ordered["headers"]["Location"])["statusCode"] == 202


def nothing_is_told_of_what_nobody_ordered(world: World) -> None:
    assert _ask(world, "GET", f"/clients/1/images/{_record(world).image_id}")["statusCode"] == 404


def a_picture_that_is_there_is_answered_and_its_link_followed(world: World) -> None:
    record = _record(world)
    key = f"temporal/cli_1/{record.image_id}.png"
    s3 = world.of_owner("s3")
    s3.put_object(Bucket=world.bucket, Key=key, Body=b"picture")
    s3.put_object(Bucket=world.bucket, Key=record.key, Body=record.to_json())
    answer = _ask(world, "GET", f"/clients/1/images/{record.image_id}")
    assert answer["statusCode"] == 200, answer["body"]
    if not world.environ["CLOUDFRONT_DOMAIN"]:
        # S3 answers a presigned link by the rights of who signed it; moto, enforcing, takes no such link.
        world.role.client("s3").get_object(Bucket=world.bucket, Key=key)


PATHS = [
    a_picture_is_ordered_and_looked_for,
    nothing_is_told_of_what_nobody_ordered,
    a_picture_that_is_there_is_answered_and_its_link_followed,
]


def _record(world: World) -> Record:
    settings = Settings.from_mapping(world.environ)
    request = ImageRequest(client_id="1", credentials_id=CREDENTIALS_ID, prompt=PROMPT, idempotency_key="stored")
    picture_id = image_id(request, settings)
    return Record(
        status=Status.STORED,
        client_id="1",
        image_id=picture_id,
        request_hash=request_hash(request, settings),
        claimant="a call that ended",
        until=0,
        asked={"prompt": PROMPT},
        picture={
            "key": f"temporal/cli_1/{picture_id}.png",
            "content_type": "image/png",
            "model": "gpt-image-2",
            "stored_at": 0,
        },
    )


def _ask(world: World, method: str, path: str, event: dict[str, Any] | None = None) -> dict[str, Any]:
    api = Api(
        Settings.from_mapping(world.environ),
        world.role.client("s3"),
        world.role.client("secretsmanager"),
        world.role.client("stepfunctions"),
        world.telemetry,
        sleep=lambda _: None,
    )

    def serve(request: dict[str, Any], context: LocalContext) -> dict[str, Any]:
        request["requestContext"]["authorizer"] = {"jwt": {"claims": {"client_id": "1"}}}
        return answered(world.telemetry, context, lambda: api.serve(request, context))

    gateway = Gateway(CONTRACT, serve)
    headers = {"Content-Type": "application/json", "Prefer": "respond-async"}
    response = gateway.answer(method, path, headers, json.dumps(event).encode() if event else b"")
    return {"statusCode": response.status, "headers": response.headers, "body": response.body}
