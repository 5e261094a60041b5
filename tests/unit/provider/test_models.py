"""Static facts about models: the body of a request, its cost, and the price that is reserved before it."""

from datetime import date
from itertools import product
from uuid import UUID

import pytest

from generate_image.money import MicroUsd
from generate_image.options import EDGE_STEP, LONGEST_EDGE, QUALITIES, STANDARD_SIZES, Options, size_problem
from generate_image.picture import Usage
from generate_image.provider.models import (
    cost_usd,
    largest_cost_of,
    longest_prompt,
    price_list,
    refusal,
    request_parameters,
)
from generate_image.settings import Settings
from local.openai_stand_in.parameters import MODELS, accept

SETTINGS = Settings(image_bucket="pictures", image_namespace=UUID(int=0))
USAGE = Usage(23, 439, 462)
LAUNCH = date(2026, 1, 1)
"""All models of the stand-in are alive."""
EDGES = range(512, LONGEST_EDGE + 1, 13 * EDGE_STEP)
SIZES = {*STANDARD_SIZES, *(size for pair in product(EDGES, EDGES) if not size_problem(size := "{}x{}".format(*pair)))}
OPTIONS: list[Options] = [
    {},
    *({"quality": quality, "size": size} for quality, size in product(QUALITIES, sorted(SIZES))),
    {"output_format": "webp", "output_compression": 0, "background": "transparent", "moderation": "low"},
]


@pytest.mark.parametrize("model", MODELS)
def test_bill_never_exceeds_the_reservation(model: str) -> None:
    checked = 0
    for prompt, options, default_quality in product(("ñandú", "a " * 1999), OPTIONS, ("low", "max")):
        if refusal(model, prompt, options):
            continue
        bound = largest_cost_of(model, prompt, default_quality, options, SETTINGS.max_picture_usd)
        picture = accept(request_parameters(model, prompt, default_quality, options), MODELS, LAUNCH)
        assert bound is not None
        assert picture.model.microdollars(picture.input_tokens, picture.output_tokens) <= bound, options
        checked += 1
    assert checked >= 4


@pytest.mark.parametrize(
    ("model", "max_picture", "bound"),
    [
        ("gpt-image-2.5-flare", 0, 2 * 5 + 439 * 30),
        ("gpt-image-2.6-flare", 0, None),
        ("gpt-image-2.6-flare", 250_000, 2 * 5 + 250_000),
        ("another-host", 250_000, 2 * 8 + 250_000),
        ("dall-e-3", 0, 40_000),
    ],
)
def test_bound_is_of_published_tokens_or_the_operator(model: str, max_picture: int, bound: int | None) -> None:
    assert largest_cost_of(model, "ñ", "medium", {}, MicroUsd(max_picture)) == bound


@pytest.mark.parametrize(
    ("model", "usage", "cost"),
    [
        ("gpt-image-2.6-flare", USAGE, 0.0133),
        ("gpt-image-2-2026-04-21", Usage(0, 1756, 1756), 0.0527),
        ("dall-e-3", None, 0.04),
        ("gpt-image-2", None, None),
        ("another-host", USAGE, None),
    ],
)
def test_cost_is_known_or_none(model: str, usage: Usage | None, cost: float | None) -> None:
    assert cost_usd(model, usage) == cost
    assert set(SETTINGS.image_models) <= set(price_list()["usd_per_million_tokens"])


@pytest.mark.parametrize(
    ("model", "longest", "parameters"),
    [
        ("gpt-image-2.6-flare", 32_000, {"quality": "max", "output_format": "png"}),
        ("gpt-image-2", 32_000, {"quality": "high", "output_format": "png"}),
        ("dall-e-3", 4_000, {"quality": "standard", "response_format": "url"}),
    ],
)
def test_request_has_the_parameters_of_the_model(model: str, longest: int, parameters: dict[str, str]) -> None:
    common = {"model": model, "prompt": "a lighthouse", "n": 1, "size": "1024x1024"}
    assert request_parameters(model, "a lighthouse", "max") == common | parameters
    assert longest_prompt(model) == longest
