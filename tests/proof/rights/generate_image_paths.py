"""The paths of the generate function."""

from typing import Any
from uuid import uuid4

from generate_image.errors import CredentialsError, OutcomeUnknownError
from generate_image.record import Record, Status
from tests.events import event_for
from tests.proof.rights.world import OWN_KEY, Path, World


def new_event(**fields: object) -> dict[str, Any]:
    """Return an event with a key of its own."""
    return event_for("A lighthouse", idempotency_key=str(uuid4()), **fields)


def follow_link(world: World, key: str) -> None:
    """Get a picture as its link does.

    S3 grants a presigned link the rights of its signer. moto, enforcing, accepts no such link.
    """
    if not world.environ["CLOUDFRONT_DOMAIN"]:
        world.role.clients.s3.get_object(Bucket=world.bucket, Key=key)


def picture_is_bought(world: World) -> None:
    follow_link(world, world.invoke(new_event())["_meta_"]["key"])


def picture_is_replayed(world: World) -> None:
    event = new_event()
    world.invoke(event)
    assert world.invoke(event)["_meta_"]["replayed"]


def expired_picture_is_bought_again(world: World) -> None:
    event = new_event()
    key = world.invoke(event)["_meta_"]["key"]
    world.owner.s3.delete_object(Bucket=world.bucket, Key=key)
    assert not world.invoke(event)["_meta_"]["replayed"]


def picture_is_downloaded(world: World) -> None:
    world.stand_in.dall_e_3 = True
    assert "urlPath" in world.invoke(new_event(), IMAGE_MODELS="dall-e-3")["data"]


def unknown_outcome_stays_unknown(world: World) -> None:
    event = new_event()
    world.stand_in.script("closed_after_billing")
    assert isinstance(world.error(event), OutcomeUnknownError)
    assert isinstance(world.error(event), OutcomeUnknownError)


def stored_picture_of_unfinished_record_is_found(world: World) -> None:
    event = new_event()
    key = world.invoke(event)["_meta_"]["key"]
    place = {"Bucket": world.bucket, "Key": key.replace(".png", ".json")}
    record = Record.from_json(world.owner.s3.get_object(**place)["Body"].read(), "")
    unfinished = record._replace(status=Status.STARTED, lease_until=0, bought=None, stored=None)
    world.owner.s3.put_object(**place, Body=unfinished.to_json())
    answer = world.invoke(event)["_meta_"]
    assert (answer["key"], answer["replayed"]) == (key, True)


def picture_under_a_budget_is_bought(world: World) -> None:
    client_id = str(uuid4())
    world.invoke(new_event(client_id=client_id), MONTHLY_BUDGET_USD="100")
    ledgers = world.owner.s3.list_objects_v2(Bucket=world.bucket, Prefix=f"budgets/cli_{client_id}/")
    assert ledgers["KeyCount"] == 1


def own_credential_is_used(world: World) -> None:
    world.stand_in.accept_keys({OWN_KEY})
    world.invoke(new_event(client_id="acme"))


def missing_credential_is_named(world: World) -> None:
    event = new_event()
    event["config"]["credentials_id"] = "no-such-credential"
    assert isinstance(world.error(event), CredentialsError)


PATHS: list[Path] = [
    picture_is_bought,
    picture_is_replayed,
    expired_picture_is_bought_again,
    picture_is_downloaded,
    unknown_outcome_stays_unknown,
    stored_picture_of_unfinished_record_is_found,
    picture_under_a_budget_is_bought,
    own_credential_is_used,
    missing_credential_is_named,
]
