"""Links to pictures that the generate function stored."""

import json
from datetime import datetime
from email.utils import parsedate_to_datetime

from generate_image.picture import end_of_lifetime
from local.account import BUCKET
from local.openai_stand_in import StandIn
from tests.events import event_for
from tests.module import Module

DOMAIN = "d111111abcdef8.cloudfront.net"


def test_cached_copy_ends_with_its_picture(module: Module) -> None:
    module.restart(CLOUDFRONT_DOMAIN=DOMAIN)
    answer = module.invoke(event_for("a lighthouse"))
    [record] = module.records()
    head = module.s3.head_object(Bucket=BUCKET, Key=answer["_meta_"]["key"])

    expires_at = datetime.fromisoformat(answer["_meta_"]["url_expires_at"])

    assert expires_at.timestamp() == end_of_lifetime(record["picture"]["stored_at"], 7)
    assert parsedate_to_datetime(head["ResponseMetadata"]["HTTPHeaders"]["expires"]) == expires_at
    assert "CacheControl" not in head  # a max-age counts from the cache's own read


def test_recovered_picture_keeps_its_age(module: Module, stand_in: StandIn) -> None:
    """The invocation ended between the picture and its record."""
    module.restart(CLOUDFRONT_DOMAIN=DOMAIN)
    event = event_for("a lighthouse", idempotency_key="k")
    first = module.invoke(event)
    [record] = module.records()
    record |= {"status": "started", "picture": {}, "until": "1970-01-01T00:00:00Z"}
    key = f"temporal/cli_1/{first['_meta_']['image_id']}.json"
    module.s3.put_object(Bucket=BUCKET, Key=key, Body=json.dumps(record).encode())

    replay = module.invoke(event)

    assert replay["_meta_"]["replayed"] is True
    assert replay["_meta_"]["url_expires_at"] == first["_meta_"]["url_expires_at"]
    assert stand_in.ledger()["billed"] == 1
