"""Static facts about image models: dialect, longest prompt, qualities and prices."""

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from generate_image.picture import Usage

_NOTHING_ABOVE_HIGH = re.compile(r"gpt-image-1\b.*|chatgpt-image-latest|gpt-image-2(-.*)?")
_SNAPSHOT = re.compile(r"-\d{4}-\d{2}-\d{2}$")
"""The date in a snapshot's name: ``gpt-image-2-2026-04-21`` has the price of ``gpt-image-2``."""


def is_dall_e(model: str) -> bool:
    """Return whether a model takes the requests that dall-e-3 took. Compatible hosts still serve such models."""
    return model.startswith("dall-e")


def longest_prompt(model: str) -> int:
    """Return the number of characters that a prompt may have."""
    return 4_000 if is_dall_e(model) else 32_000


def quality_of(model: str, quality: str) -> str:
    """Return the quality to request: models up to gpt-image-2 refuse ``xhigh`` and ``max``, so they get ``high``."""
    return "high" if quality in {"xhigh", "max"} and _NOTHING_ABOVE_HIGH.fullmatch(model) else quality


@cache
def price_list() -> Mapping[str, Mapping[str, Any]]:
    """Return ``prices.json``: US dollars per 1024x1024 picture of standard quality, or per million tokens."""
    content: Mapping[str, Mapping[str, Any]] = json.loads(Path(__file__).with_name("prices.json").read_text("utf-8"))
    return content


def cost_usd(model: str, usage: Usage | None) -> float | None:
    """Return a picture's cost in US dollars, rounded to 0.0001; None if the list does not have the model's price."""
    name = _SNAPSHOT.sub("", model)
    per_picture: float | None = price_list()["usd_per_picture"].get(name)
    if per_picture is not None:
        return per_picture
    prices = price_list()["usd_per_million_tokens"].get(name)
    if prices is None or usage is None:
        return None
    total = usage.input_tokens * prices["input"] + usage.output_tokens * prices["output"]
    return round(float(total) / 1_000_000, 4)
