"""What a picture cost, by a small dated price list."""

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

SNAPSHOT = re.compile(r"-\d{4}-\d{2}-\d{2}$")
"""The date that names a model's snapshot: ``gpt-image-2-2026-04-21`` is priced as ``gpt-image-2``."""


@cache
def price_list() -> Mapping[str, Mapping[str, Any]]:
    """Return ``prices.json``: US dollars for a 1024x1024 picture of standard quality, or for a million tokens."""
    content: Mapping[str, Mapping[str, Any]] = json.loads(Path(__file__).with_name("prices.json").read_text("utf-8"))
    return content


def cost_usd(model: str, usage: Mapping[str, int] | None) -> float | None:
    """Return what a picture cost in US dollars, to a hundredth of a cent; None for what the list does not know.

    usage: the provider's token counts.
    """
    model = SNAPSHOT.sub("", model)
    per_picture: float | None = price_list()["usd_per_picture"].get(model)
    if per_picture is not None:
        return per_picture
    prices = price_list()["usd_per_million_tokens"].get(model)
    if prices is None or usage is None:
        return None
    total = usage["input_tokens"] * prices["input"] + usage["output_tokens"] * prices["output"]
    return round(float(total) / 1_000_000, 4)
