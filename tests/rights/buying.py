"""The paths of the function that buys, each as far as it reaches into the account."""

from collections.abc import Callable
from functools import cache

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from generate_image.errors import CredentialsError, OutcomeUnknownError
from local.account import CREDENTIALS_ID, CREDENTIALS_PREFIX
from tests.module import event_for
from tests.rights.world import World

CREDENTIAL = '{{"apiKey": "{}"}}'


def share_credential(world: World) -> None:
    """Create the credential of all clients."""
    world.create_secret(_name("shared"), CREDENTIAL.format(world.stand_in.api_key))


def prepare(world: World) -> None:
    """Create what an operator creates: the credential of all clients, and the key that signs links where one does."""
    share_credential(world)
    if signing_key := world.environ.get("CLOUDFRONT_PRIVATE_KEY_SECRET"):
        world.create_secret(signing_key, _private_key())


@cache
def _private_key() -> str:
    key = rsa.generate_private_key(65_537, 2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def a_picture_is_bought_and_its_link_followed(world: World) -> None:
    answer = world.invoke(event_for("A lighthouse"))
    if not world.environ["CLOUDFRONT_DOMAIN"]:
        # S3 answers a presigned link by the rights of who signed it; moto, enforcing, takes no such link.
        world.role.client("s3").get_object(Bucket=world.bucket, Key=answer["_meta_"]["key"])


def a_picture_is_answered_again(world: World) -> None:
    event = event_for("A lighthouse", idempotency_key="again")
    world.invoke(event)
    assert world.invoke(event)["_meta_"]["replayed"]


def a_picture_that_has_expired_is_bought_again(world: World) -> None:
    event = event_for("A lighthouse", idempotency_key="expired")
    key = world.invoke(event)["_meta_"]["key"]
    world.of_owner("s3").delete_object(Bucket=world.bucket, Key=key)
    assert not world.invoke(event)["_meta_"]["replayed"]


def a_picture_comes_by_url(world: World) -> None:
    world.stand_in.dall_e_3 = True
    world.invoke(event_for("A lighthouse"), IMAGE_MODELS="dall-e-3")


def an_unknown_outcome_stays_unknown(world: World) -> None:
    event = event_for("A lighthouse", idempotency_key="unknown")
    world.stand_in.script("closed_after_billing")
    for _ in range(2):
        with pytest.raises(OutcomeUnknownError):
            world.invoke(event)


def a_picture_that_reached_s3_is_found_though_its_record_was_not_finished(world: World) -> None:
    event = event_for("A lighthouse", idempotency_key="found")
    key = world.invoke(event)["_meta_"]["key"]
    s3 = world.of_owner("s3")
    record = key.replace(".png", ".json")
    content = s3.get_object(Bucket=world.bucket, Key=record)["Body"].read().decode()
    began = content.replace('"stored"', '"started"').replace('"until": "20', '"until": "19')
    s3.put_object(Bucket=world.bucket, Key=record, Body=began.encode())
    assert world.invoke(event)["_meta_"]["key"] == key


def a_client_has_a_credential_of_its_own(world: World) -> None:
    world.stand_in.accept_keys({"sk-acme"})
    world.create_secret(_name("cli_acme"), CREDENTIAL.format("sk-acme"))
    world.invoke(event_for("A lighthouse", client_id="acme"))


def a_credential_is_missing(world: World) -> None:
    event = event_for("A lighthouse")
    event["config"]["credentials_id"] = "no-such-credential"
    with pytest.raises(CredentialsError):
        world.invoke(event)


PATHS: list[Callable[[World], None]] = [
    a_picture_is_bought_and_its_link_followed,
    a_picture_is_answered_again,
    a_picture_that_has_expired_is_bought_again,
    a_picture_comes_by_url,
    an_unknown_outcome_stays_unknown,
    a_picture_that_reached_s3_is_found_though_its_record_was_not_finished,
    a_client_has_a_credential_of_its_own,
    a_credential_is_missing,
]


def _name(owner: str) -> str:
    return f"{CREDENTIALS_PREFIX}/{owner}/{CREDENTIALS_ID}"
