"""A link and every cached copy end when the picture does."""

import json
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import pytest

from generate_image.storage import end_of_lifetime
from local.account import BUCKET
from local.openai_stand_in import StandIn
from tests.module import Module, event_for

DOMAIN = "d111111abcdef8.cloudfront.net"


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("stored", "days", "end"),
    [
        # The first is the example of S3's documentation.
        ("2014-01-15T10:30:00Z", 3, "2014-01-19T00:00:00Z"),
        ("2026-11-22T23:59:59Z", 1, "2026-11-24T00:00:00Z"),
        ("2026-11-22T00:00:01Z", 1, "2026-11-24T00:00:00Z"),
        ("2028-02-28T12:00:00Z", 1, "2028-03-01T00:00:00Z"),
    ],
)
def test_s3_rounds_a_lifetime_up_to_midnight(stored: str, days: int, end: str) -> None:
    assert end_of_lifetime(moment(stored).timestamp(), days) == moment(end).timestamp()


@pytest.mark.parametrize("days", [1, 30])
def test_an_open_link_ends_with_its_picture(module: Module, days: int) -> None:
    module.restart(CLOUDFRONT_DOMAIN=DOMAIN, PICTURE_RETENTION_DAYS=str(days))
    before = int(time.time())
    answer = module.invoke(event_for("a lighthouse"))
    [record] = module.records()
    stored_at = record["picture"]["stored_at"]

    assert answer["data"]["urlPath"] == f"https://{DOMAIN}/download/cli_1/{answer['_meta_']['image_id']}.png"
    assert before <= stored_at <= time.time()
    assert moment(answer["_meta_"]["url_expires_at"]).timestamp() == end_of_lifetime(stored_at, days)


def test_a_cached_copy_ends_with_its_picture(module: Module) -> None:
    module.restart(CLOUDFRONT_DOMAIN=DOMAIN)
    answer = module.invoke(event_for("a lighthouse"))
    head = module.s3.head_object(Bucket=BUCKET, Key=answer["_meta_"]["key"])

    expires = parsedate_to_datetime(head["ResponseMetadata"]["HTTPHeaders"]["expires"])

    assert expires == moment(answer["_meta_"]["url_expires_at"])
    assert "CacheControl" not in head  # a max-age would count from when a cache fetched the picture


def test_a_replay_s_link_ends_with_the_picture_too(module: Module, stand_in: StandIn) -> None:
    module.restart(CLOUDFRONT_DOMAIN=DOMAIN)
    event = event_for("a lighthouse", idempotency_key="k")
    first = module.invoke(event)
    module.restart()
    second = module.invoke(event)

    assert second["_meta_"]["replayed"]
    assert second["_meta_"]["url_expires_at"] == first["_meta_"]["url_expires_at"]
    assert stand_in.ledger()["billed"] == 1


def store_as_if_days_ago(module: Module, answer: dict[str, object], days: float) -> None:
    """Make a record tell that its picture is so old."""
    meta = answer["_meta_"]
    assert isinstance(meta, dict)
    record = module.record("1", meta["image_id"])
    record["picture"]["stored_at"] -= days * 86400
    module.s3.put_object(Bucket=BUCKET, Key=f"temporal/cli_1/{meta['image_id']}.json", Body=json.dumps(record).encode())


def test_a_presigned_link_promises_no_more_than_the_picture_s_life(module: Module) -> None:
    event = event_for("a lighthouse", idempotency_key="k")
    first = module.invoke(event)
    store_as_if_days_ago(module, first, 8)

    ends = moment(module.invoke(event)["_meta_"]["url_expires_at"])

    assert (ends.hour, ends.minute, ends.second) == (0, 0, 0)
    assert ends <= datetime.now(UTC)


def test_a_picture_found_again_tells_its_own_age(module: Module, stand_in: StandIn) -> None:
    module.restart(CLOUDFRONT_DOMAIN=DOMAIN)
    event = event_for("a lighthouse", idempotency_key="k")
    first = module.invoke(event)
    record = module.record("1", first["_meta_"]["image_id"])
    # As it lies there when the call ended between the picture and its record.
    record |= {"status": "started", "picture": {}, "until": "1970-01-01T00:00:00Z"}
    module.s3.put_object(
        Bucket=BUCKET, Key=f"temporal/cli_1/{first['_meta_']['image_id']}.json", Body=json.dumps(record).encode()
    )

    second = module.invoke(event)

    assert second["_meta_"]["url_expires_at"] == first["_meta_"]["url_expires_at"]
    assert stand_in.ledger()["billed"] == 1
