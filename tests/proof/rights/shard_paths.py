"""The paths of the function that buys shards."""

import json
from typing import Any
from uuid import uuid4

from tests.proof.rights.generate_image_paths import follow_link, new_event
from tests.proof.rights.world import OWN_KEY, Path, World


def shard_is_bought(world: World) -> None:
    [result] = _run(world, [new_event()])
    follow_link(world, json.loads(result["Output"])["_meta_"]["key"])


def shard_under_a_budget_is_bought(world: World) -> None:
    client_id = str(uuid4())
    _run(world, [new_event(client_id=client_id)], MONTHLY_BUDGET_USD="100")
    ledgers = world.owner.s3.list_objects_v2(Bucket=world.bucket, Prefix=f"budgets/cli_{client_id}/")
    assert ledgers["KeyCount"] == 1


def own_credential_is_used(world: World) -> None:
    world.stand_in.accept_keys({OWN_KEY})
    _run(world, [new_event(client_id="acme")])


def expired_picture_is_bought_again(world: World) -> None:
    event = new_event()
    [first] = _run(world, [event])
    world.owner.s3.delete_object(Bucket=world.bucket, Key=json.loads(first["Output"])["_meta_"]["key"])
    [second] = _run(world, [event])
    assert not json.loads(second["Output"])["_meta_"]["replayed"]


MOST_STEPS = 6
"""Of an undisturbed shard."""
PATHS: list[Path] = [
    shard_is_bought,
    shard_under_a_budget_is_bought,
    own_credential_is_used,
    expired_picture_is_bought_again,
]


def _run(world: World, items: list[Any], **settings: str) -> list[dict[str, Any]]:
    """Run a shard to its end and return the results of its items, which are pictures."""
    event = {"execution": str(uuid4()), "items": items, "poll_seconds": 1}
    step: dict[str, Any] = {"next": "submit", "shards": []}
    for _ in range(MOST_STEPS):
        if step["next"] != "done":
            step = world.invoke(event | {"step": step["next"], "shards": step["shards"]}, **settings)
    assert step["next"] == "done", step
    [file] = step["results"]["SUCCEEDED"]
    content = world.owner.s3.get_object(Bucket=world.bucket, Key=file["Key"])["Body"].read()
    return [json.loads(line) for line in content.splitlines()]
