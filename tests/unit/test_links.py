"""A link says truly how long it works."""

from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from local.openai_stand_in import StandIn
from tests.module import Module, event_for


@pytest.mark.parametrize("seconds", [60, 3600])
def test_the_end_is_the_signatures(module: Module, seconds: int) -> None:
    module.restart(DOWNLOAD_URL_SECONDS=str(seconds))
    answer = module.invoke(event_for("a lighthouse"))
    query = parse_qs(urlsplit(answer["data"]["urlPath"]).query)
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert query["X-Amz-Expires"] == [str(seconds)]
    signed = datetime.strptime(query["X-Amz-Date"][0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    expires = datetime.fromisoformat(answer["_meta_"]["url_expires_at"])
    assert (expires - signed).total_seconds() == seconds


def test_asking_again_gives_a_fresh_link_and_buys_nothing(module: Module, stand_in: StandIn) -> None:
    event = event_for("a lighthouse", idempotency_key="k")
    first = module.invoke(event)
    module.restart(DOWNLOAD_URL_SECONDS="600")
    second = module.invoke(event)
    assert second["_meta_"]["url_expires_at"] != first["_meta_"]["url_expires_at"]
    assert requests.get(second["data"]["urlPath"], timeout=10).headers["Content-Type"] == "image/png"
    assert stand_in.ledger()["billed"] == 1
