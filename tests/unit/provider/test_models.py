"""Static facts about models."""

from uuid import UUID

import pytest

from generate_image.picture import Usage
from generate_image.provider.models import cost_usd, longest_prompt, price_list, request_parameters
from generate_image.settings import Settings

USAGE = Usage(23, 439, 462)


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


def test_default_models_have_a_price() -> None:
    settings = Settings(image_bucket="pictures", image_namespace=UUID(int=0))
    assert set(settings.image_models) <= set(price_list()["usd_per_million_tokens"])


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        ("gpt-image-2.6-flare", {"quality": "max", "output_format": "png"}),
        ("gpt-image-2", {"quality": "high", "output_format": "png"}),
        ("dall-e-3", {"quality": "standard", "response_format": "url"}),
    ],
)
def test_request_has_the_parameters_of_the_model(model: str, parameters: dict[str, str]) -> None:
    common = {"model": model, "prompt": "a lighthouse", "n": 1, "size": "1024x1024"}
    assert request_parameters(model, "a lighthouse", "max") == common | parameters


def test_longest_prompt_depends_on_the_dialect() -> None:
    assert (longest_prompt("dall-e-3"), longest_prompt("gpt-image-2")) == (4_000, 32_000)
