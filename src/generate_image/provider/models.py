"""Static facts about image models: dialect, longest prompt, request and prices. Their options: options.py."""

import json
import math
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from generate_image.money import MicroUsd, to_usd
from generate_image.options import NO_OPTIONS, STANDARD_SIZE, Options, for_model, not_taken, quality_of
from generate_image.picture import BATCH, Usage

_SNAPSHOT = re.compile(r"-\d{4}-\d{2}-\d{2}$")
"""The date in a snapshot's name: ``gpt-image-2-2026-04-21`` has the price of ``gpt-image-2``."""

DEAREST_INPUT_USD = 8
"""For a million tokens. The largest input price in the list of any model; assumed where the price is unknown."""


def is_dall_e(model: str) -> bool:
    """Return whether a model takes the requests that dall-e-3 took. Compatible hosts still serve such models."""
    return model.startswith("dall-e")


def longest_prompt(model: str) -> int:
    """Return the number of characters that a prompt may have."""
    return 4_000 if is_dall_e(model) else 32_000


def refusal(model: str, prompt: str, options: Options) -> str:
    """Return the reason why a model cannot serve a request; an empty text if it can."""
    if len(prompt) > longest_prompt(model):
        return f"{model} takes no prompt of {len(prompt)} characters"
    refused = not_taken(model, options)
    return f"{model} does not take {refused}" if refused else ""


def request_parameters(model: str, prompt: str, quality: str, options: Options = NO_OPTIONS) -> dict[str, str | int]:
    """Return the body of a request for one picture. quality: of a picture without that option."""
    parameters: dict[str, str | int] = {"model": model, "prompt": prompt, "n": 1, "size": STANDARD_SIZE}
    if is_dall_e(model):
        return {**parameters, "quality": "standard", "response_format": "url", **options}
    default = {"quality": quality_of(model, quality), "output_format": "png"}
    return {**parameters, **default, **for_model(model, options)}


@cache
def price_list() -> Mapping[str, Mapping[str, Any]]:
    """Return ``prices.json``: US dollars per 1024x1024 picture of standard quality, or per million tokens."""
    content: Mapping[str, Mapping[str, Any]] = json.loads(Path(__file__).with_name("prices.json").read_text("utf-8"))
    return content


def output_tokens(model: str, quality: str, size: str) -> int | None:
    """Return the output tokens of a picture; None if the provider publishes no figure for the model.

    The formula and its factors: https://community.openai.com/t/1382699. It gives every published figure.
    """
    factor: int | None = price_list()["output_token_factors"].get(_SNAPSHOT.sub("", model), {}).get(quality)
    if factor is None:
        return None
    width, height = (int(side) for side in size.split("x"))
    short, long = min(width, height), max(width, height)
    return math.ceil(factor * round(factor * short / long) * (2_000_000 + width * height) / 4_000_000)


def cost_of(model: str, usage: Usage | None, pricing: str | None = None) -> MicroUsd | None:
    """Return a picture's cost; None if the list does not have the model's price. pricing: of ``BoughtPicture``."""
    name = _SNAPSHOT.sub("", model)
    per_picture = price_list()["usd_per_picture"].get(name)
    if per_picture is not None:
        return discounted(MicroUsd(round(per_picture * 1_000_000)), pricing)
    prices = price_list()["usd_per_million_tokens"].get(name)
    if prices is None or usage is None:
        return None
    cost = MicroUsd(int(usage.input_tokens * prices["input"] + usage.output_tokens * prices["output"]))
    return discounted(cost, pricing)


def discounted(cost: MicroUsd, pricing: str | None) -> MicroUsd:
    """Return the price that a pricing makes of the standard one. The Batch API costs half, rounded up here.

    https://developers.openai.com/api/docs/guides/batch
    """
    return MicroUsd(-(-cost // 2)) if pricing == BATCH else cost


def largest_cost_of(
    model: str, prompt: str, default_quality: str, options: Options, max_picture: MicroUsd
) -> MicroUsd | None:
    """Return an upper bound of a picture's cost before the purchase; None if there is none.

    default_quality: of a request without that option. Of the options, only quality and size change the price. A prompt
    has at most one input token for each of its UTF-8 bytes. max_picture: the operator's bound of a 1024x1024 picture of
    a model without published output tokens; 0: none. A larger size raises it by the formula.
    """
    name = _SNAPSHOT.sub("", model)
    per_picture = price_list()["usd_per_picture"].get(name)
    if per_picture is not None:
        return MicroUsd(round(per_picture * 1_000_000))
    prices = price_list()["usd_per_million_tokens"].get(name)
    quality, size = str(options.get("quality", default_quality)), str(options.get("size", STANDARD_SIZE))
    tokens = output_tokens(model, quality_of(model, quality), size)
    if prices is not None and tokens is not None:
        return MicroUsd(int(len(prompt.encode()) * prices["input"] + tokens * prices["output"]))
    if not max_picture:
        return None
    width, height = (int(side) for side in size.split("x"))
    pixels = max(1.0, (2_000_000 + width * height) / (2_000_000 + 1024 * 1024))
    input_price = prices["input"] if prices is not None else DEAREST_INPUT_USD
    return MicroUsd(math.ceil(max_picture * pixels + len(prompt.encode()) * input_price))


def cost_usd(model: str, usage: Usage | None, pricing: str | None = None) -> float | None:
    """Return a picture's cost in US dollars, rounded to 0.0001; None if the list does not have the model's price."""
    cost = cost_of(model, usage, pricing)
    return None if cost is None else round(to_usd(cost), 4)
