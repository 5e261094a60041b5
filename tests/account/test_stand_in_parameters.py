"""The stand-in accepts and bills as OpenAI does, and knows the models and values of the official SDK."""

from datetime import date
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from openai.types import ImageModel
from openai.types.image_generate_params import ImageGenerateParamsBase

from generate_image.provider.models import output_tokens, price_list
from local.openai_stand_in.parameters import MODELS, RefusalError, accept

SDK: dict[str, Any] = get_type_hints(ImageGenerateParamsBase)
NOT_OFFERED = {"output_format": {"gif", "svg"}, "size": {"256x256", "512x512"}}
MODEL = "gpt-image-2.6-flare"
TODAY = date(2026, 11, 30)


def literals(annotation: object) -> set[str]:
    """Return every string of the Literals within an annotation."""
    if get_origin(annotation) is None:
        return {annotation} if isinstance(annotation, str) else set()
    return set().union(*map(literals, get_args(annotation)))


def test_values_are_those_of_the_sdk() -> None:
    assert set(MODELS) == set(get_args(ImageModel)) - {"dall-e-2"}
    names = {name for model in MODELS.values() for name in model.choices}
    assert names | {"model", "prompt", "n", "output_compression"} <= SDK.keys()
    for name in names:
        known = {value for model in MODELS.values() for value in model.choices.get(name, ())}
        assert known | NOT_OFFERED.get(name, set()) == literals(SDK[name])


def test_prices_are_those_of_the_module() -> None:
    for name, price in price_list()["usd_per_million_tokens"].items():
        assert MODELS[name].usd_per_million_tokens == (price["input"], price["output"])
        for quality in MODELS[name].patches or ():
            assert output_tokens(name, quality, "1536x1024") in {None, MODELS[name].output_tokens(1536, 1024, quality)}
    for name, picture_price in price_list()["usd_per_picture"].items():
        assert MODELS[name].usd_per_picture == picture_price


@pytest.mark.parametrize(
    ("model", "size", "quality", "tokens"),
    [
        (MODEL, "1024x1024", "low", 196),
        (MODEL, "1024x1024", "max", 7024),
        (MODEL, "1536x1024", "medium", 343),
        (MODEL, "3840x2160", "medium", 865),
        ("gpt-image-2", "2048x2048", "medium", 3568),
        ("gpt-image-1-mini", "1536x1024", "low", 400),
        (MODEL, "auto", "auto", 439),
        ("dall-e-3", "1024x1024", "standard", 0),
    ],
)
def test_picture_costs_the_published_tokens(model: str, size: str, quality: str, tokens: int) -> None:
    document = {"model": model, "prompt": "x" * 41, "n": 1, "size": size, "quality": quality}
    generation = accept(document, MODELS, date(2026, 1, 1))
    assert (generation.input_tokens, generation.output_tokens) == (11, tokens)
    per_input, per_output = generation.model.usd_per_million_tokens
    assert generation.microdollars == (11 * per_input + tokens * per_output if tokens else 40_000)


@pytest.mark.parametrize(
    ("parameters", "code", "param"),
    [
        ({"prompt": ""}, "empty_string", "prompt"),
        ({"prompt": 7}, "invalid_type", "prompt"),
        ({"prompt": "x" * 32_001}, "string_above_max_length", "prompt"),
        ({"model": "gpt-image-1"}, "invalid_value", "model"),
        ({"response_format": "b64_json"}, "unknown_parameter", "response_format"),
        ({"n": 0}, "integer_below_min_value", "n"),
        ({"n": "1"}, "invalid_type", "n"),
        ({"size": "big"}, "invalid_value", "size"),
        ({"size": "1000x1000"}, "invalid_value", "size"),
        ({"size": "4096x4096"}, "invalid_value", "size"),
        ({"size": "3840x1024"}, "invalid_value", "size"),
        ({"size": "512x512"}, "invalid_value", "size"),
        ({"model": "gpt-image-1.5", "size": "1792x1024"}, "invalid_value", "size"),
        ({"model": "gpt-image-2", "quality": "max"}, "invalid_value", "quality"),
        ({"output_format": "tiff"}, "invalid_value", "output_format"),
        ({"background": "transparent", "output_format": "jpeg"}, "invalid_value", "background"),
        ({"model": "gpt-image-2", "background": "transparent"}, "invalid_value", "background"),
        ({"moderation": "none"}, "invalid_value", "moderation"),
        ({"output_compression": 50}, "invalid_value", "output_compression"),
        ({"output_compression": 101, "output_format": "jpeg"}, "integer_above_max_value", "output_compression"),
    ],
)
def test_bad_parameter_is_refused(parameters: dict[str, Any], code: str, param: str) -> None:
    with pytest.raises(RefusalError) as refusal:
        accept({"model": MODEL, "prompt": "p", **parameters}, MODELS, TODAY)
    error = refusal.value.body["error"]
    assert (refusal.value.status, error["code"], error["param"]) == (400, code, param)
