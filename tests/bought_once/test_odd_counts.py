"""What a provider says beside a good picture costs nobody the picture."""

import base64
import itertools

import pytest

from tests.module import Module, event_for

ENTRY = {"b64_json": base64.b64encode(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR").decode()}
GOOD = {"input_tokens": 9, "output_tokens": 439, "total_tokens": 448}
ODD: tuple[object, ...] = (10**400, 10**10, -1, True, 1.5, "9", None, [])
USAGES: list[object] = [*({**GOOD, name: odd} for name, odd in itertools.product(GOOD, ODD)), {}, [], "9", 9, None]


@pytest.mark.parametrize("usage", USAGES, ids=lambda usage: str(usage)[:60])
def test_a_picture_with_an_odd_usage_is_given_and_kept(module: Module, usage: object) -> None:
    module.stand_in.script("status", status=200, body={"created": 1, "data": [ENTRY], "usage": usage})
    event = event_for("a cat", idempotency_key="order 7")
    assert "usage" not in module.invoke(event)["_meta_"]
    assert module.invoke(event)["_meta_"]["replayed"]
