"""The stand-in's tables agree with the official SDK's parameter types and with the module's prices."""

import json
from importlib.resources import files
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from openai.types import ImageModel
from openai.types.image_generate_params import ImageGenerateParamsBase

from local.openai_stand_in import parameters
from local.openai_stand_in.parameters import MODELS

SDK: dict[str, Any] = get_type_hints(ImageGenerateParamsBase)


def literals(annotation: object) -> set[str]:
    """Return every string of the Literals within an annotation."""
    if get_origin(annotation) is None:
        return {annotation} if isinstance(annotation, str) else set()
    return set().union(*map(literals, get_args(annotation)))


@pytest.mark.parametrize(
    ("parameter", "known", "missing"),
    [
        ("background", parameters.BACKGROUNDS, set()),
        ("moderation", parameters.MODERATIONS, set()),
        ("response_format", parameters.RESPONSE_FORMATS, set()),
        ("output_format", parameters.FORMATS, {"gif", "svg"}),
        ("size", parameters.GPT_SIZES + parameters.DALL_E_SIZES, {"256x256", "512x512"}),
        ("quality", ("auto", *(quality for model in MODELS.values() for quality in model.qualities)), set()),
    ],
)
def test_values_are_those_of_the_sdk(parameter: str, known: tuple[str, ...], missing: set[str]) -> None:
    assert set(known) | missing == literals(SDK[parameter])


def test_parameters_are_known_to_the_sdk() -> None:
    assert set(SDK) >= parameters.GPT_PARAMETERS | parameters.DALL_E_PARAMETERS


def test_models_are_those_of_the_sdk() -> None:
    assert set(MODELS) == set(get_args(ImageModel)) - {"dall-e-2"}


def test_prices_are_those_of_the_module() -> None:
    prices = json.loads((files("generate_image.provider") / "prices.json").read_text("utf-8"))
    for name, price in prices["usd_per_million_tokens"].items():
        assert MODELS[name].usd_per_million_tokens == (price["input"], price["output"])
    for name, price in prices["usd_per_picture"].items():
        assert MODELS[name].usd_per_picture == price
