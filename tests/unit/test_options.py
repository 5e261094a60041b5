"""The options of one picture: each row of the table, its contradictions, and its place in hash, record and answer."""

from datetime import date
from itertools import product
from typing import Any, get_args, get_origin, get_type_hints
from uuid import UUID

import pytest
from openai.types.image_generate_params import ImageGenerateParamsBase

from generate_image.aws.links import Link
from generate_image.errors import InvalidRequestError
from generate_image.event import ImageRequest, parse_event, request_hash
from generate_image.generation import answer
from generate_image.options import (
    OPTIONS,
    QUALITIES,
    STANDARD_SIZES,
    OptionRules,
    Options,
    for_model,
    not_taken,
)
from generate_image.picture import BoughtPicture, StoredPicture
from generate_image.provider.models import request_parameters
from generate_image.record import Record, Status
from generate_image.settings import Settings
from local.openai_stand_in.parameters import MODELS, RefusalError, accept

SETTINGS = Settings(image_bucket="pictures", image_namespace=UUID(int=0))
MODEL = "gpt-image-2.6-flare"
SIZES = (*STANDARD_SIZES, "2048x2048", "3840x2160", "2160x3840", "1456x1456", "816x816", "2880x960", "1792x1024")
VALUES: dict[str, tuple[str | int, ...]] = {
    "quality": QUALITIES,
    "size": SIZES,
    "output_format": ("png", "jpeg", "webp"),
    "output_compression": (0, 50, 100),
    "background": ("transparent", "opaque", "auto"),
    "moderation": ("auto", "low"),
}


def event(options: object) -> dict[str, Any]:
    return {"client_id": 1, "config": {"credentials_id": "openai", "prompt": "p", "options": options}}


def parse(options: object, rules: OptionRules = OptionRules()) -> ImageRequest:  # noqa: B008
    return parse_event(event(options), default_key="k", longest_prompt=32_000, option_rules=rules)


def problems(options: object, rules: OptionRules = OptionRules()) -> dict[str, str]:  # noqa: B008
    with pytest.raises(InvalidRequestError) as caught:
        parse(options, rules)
    return {error["field"].removeprefix("config.options."): error["problem"] for error in caught.value.errors}


def accepted(model: str, options: Options) -> bool:
    """Return whether the stand-in accepts the request that the module sends, on a day when all models live."""
    try:
        accept(request_parameters(model, "p", "medium", options), MODELS, date(2026, 1, 1))
    except RefusalError:
        return False
    return True


def of_sdk(option: str) -> set[str]:
    """Return the string values of an option in the official SDK."""

    def literals(annotation: object) -> set[str]:
        if get_origin(annotation) is None:
            return {annotation} if isinstance(annotation, str) else set()
        return set().union(*map(literals, get_args(annotation)))

    return literals(get_type_hints(ImageGenerateParamsBase)[option])


@pytest.mark.parametrize(
    ("option", "not_offered"),
    [
        ("quality", {"auto", "standard", "hd"}),
        ("output_format", {"gif", "svg"}),
        ("background", set()),
        ("moderation", set()),
    ],
)
def test_values_are_those_of_the_sdk(option: str, not_offered: set[str]) -> None:
    assert of_sdk(option) - not_offered == {value for value in VALUES[option] if parse_or_none({option: value})}
    assert all(option in problems({option: value}) for value in not_offered)


def parse_or_none(options: Options) -> ImageRequest | None:
    try:
        return parse(options)
    except InvalidRequestError:
        return None


def test_options_and_standard_sizes_are_known_to_the_sdk() -> None:
    assert set(get_type_hints(ImageGenerateParamsBase)) >= set(OPTIONS)
    assert of_sdk("size") >= set(STANDARD_SIZES)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    "options",
    [{name: value} for name, values in VALUES.items() if name != "output_compression" for value in values]
    + [
        {"output_format": output_format, "output_compression": compression}
        for output_format, compression in product(("jpeg", "webp"), (0, 50, 100))
    ],
    ids=str,
)
def test_model_takes_what_the_provider_accepts(model: str, options: Options) -> None:
    """The model gets ``high`` for ``max``, so a known quality is never a reason to skip a GPT image model."""
    assert (not not_taken(model, options)) == (accepted(model, options) and not is_dearer(model, options))


def is_dearer(model: str, options: Options) -> bool:
    """Return whether a DALL·E picture has another price, which prices.json does not have."""
    return model == "dall-e-3" and options.get("size") == "1792x1024"


@pytest.mark.parametrize(
    ("options", "refused"),
    [
        ({"background": "transparent", "output_format": "jpeg"}, {"background"}),
        ({"output_compression": 50}, {"output_compression"}),
        ({"output_compression": 50, "output_format": "png"}, {"output_compression"}),
        ({"output_compression": 101, "output_format": "webp"}, {"output_compression"}),
        ({"output_compression": -1, "output_format": "webp"}, {"output_compression"}),
        ({"output_compression": True, "output_format": "webp"}, {"output_compression"}),
        ({"output_compression": "50", "output_format": "webp"}, {"output_compression"}),
        ({"quality": "best", "size": 7, "background": ["auto"]}, {"quality", "size", "background"}),
        ({"quality": "auto", "size": "auto"}, {"quality", "size"}),
        ({"n": 2, "stream": True}, {"n", "stream"}),
        ({"output_format": "svg"}, {"output_format"}),
        ({"qualty": "high"}, {"qualty"}),
        ("high", {"config.options"}),
        ([], {"config.options"}),
    ],
)
def test_wrong_options_are_listed_together(options: object, refused: set[str]) -> None:
    assert set(problems(options)) == refused


def test_misspelt_option_names_the_meant_one() -> None:
    assert problems({"qualty": "high"}) == {"qualty": "unknown; did you mean quality?"}


@pytest.mark.parametrize(
    ("size", "rule"),
    [
        ("1024", "WIDTHxHEIGHT"),
        ("01024x1024", "WIDTHxHEIGHT"),
        ("1024X1024", "WIDTHxHEIGHT"),
        ("1024x1024\n", "WIDTHxHEIGHT"),
        ("1000x1024", "multiples of 16"),
        ("3856x2048", "3840 pixels"),
        ("3840x1264", "1:3 to 3:1"),
        ("800x800", "655360"),
        ("3840x2176", "8294400"),
    ],
)
def test_size_outside_the_rules_is_refused(size: str, rule: str) -> None:
    assert rule in problems({"size": size})["size"]


def test_option_that_the_operator_does_not_allow_is_refused() -> None:
    rules = OptionRules(SETTINGS.caller_options, SETTINGS.image_models)
    assert "CALLER_OPTIONS" in problems({"moderation": "low"}, rules)["moderation"]
    assert parse({"moderation": "low"}, OptionRules(OPTIONS)).options == {"moderation": "low"}
    nothing = Settings.from_mapping(
        {"IMAGE_BUCKET": "pictures", "IMAGE_NAMESPACE": str(UUID(int=0)), "CALLER_OPTIONS": "none"}
    )
    assert set(problems({"size": "1024x1024"}, OptionRules(nothing.caller_options))) == {"size"}


def test_options_that_no_model_takes_are_refused() -> None:
    second = OptionRules(models=("gpt-image-2",))
    assert problems({"background": "transparent"}, second) == {
        "config.options": "no model takes them: gpt-image-2 does not take background=transparent"
    }
    assert problems({"quality": "max"}, second) == {"quality": "no such quality for gpt-image-2"}
    both = OptionRules(models=(MODEL, "gpt-image-2"))
    assert parse({"background": "transparent", "quality": "max"}, both).options["quality"] == "max"


def test_fallback_model_gets_the_nearest_quality() -> None:
    assert for_model("gpt-image-2", {"quality": "max", "size": "2048x2048"}) == {
        "quality": "high",
        "size": "2048x2048",
    }


@pytest.mark.parametrize("none", [None, {}, {"quality": None, "size": None}])
def test_absent_options_keep_the_hash(none: object) -> None:
    plain = parse_event(
        {"client_id": 1, "config": {"credentials_id": "openai", "prompt": "p"}}, default_key="k", longest_prompt=9
    )
    assert request_hash(parse(none), SETTINGS) == request_hash(plain, SETTINGS)


def test_each_option_changes_the_hash() -> None:
    hashes = [request_hash(parse(options), SETTINGS) for options in ({}, {"quality": "low"}, {"quality": "high"})]
    assert len(set(hashes)) == 3
    one = parse({"quality": "low", "size": "2048x2048"})
    other = parse({"size": "2048x2048", "quality": "low"})
    assert request_hash(one, SETTINGS) == request_hash(other, SETTINGS)


def record_with(options: Options) -> Record:
    return Record(
        status=Status.STORED,
        client_id="1",
        image_id="0f5c",
        request_hash="hash",
        holder="holder",
        lease_until=0.0,
        prompt="p",
        passed_through={"nextModule": "next"},
        bought=BoughtPicture("gpt-image-2"),
        stored=StoredPicture("temporal/cli_1/0f5c.png", "image/png", 0.0, "present"),
        options=options,
    )


def test_record_keeps_the_options_and_the_answer_repeats_them() -> None:
    record = record_with({"quality": "max", "output_format": "webp"})
    read = Record.from_json(record.to_json(), "")
    assert read == record
    meta = answer(read, Link("url", "time"), "bucket", read.passed_through, replayed=True)["_meta_"]
    assert meta["options"] == {"quality": "high", "output_format": "webp"}
    assert meta["content_credentials"] == "present"


def test_answer_without_options_does_not_name_them() -> None:
    meta = answer(record_with({}), Link("url", "time"), "bucket", {}, replayed=False)["_meta_"]
    assert "options" not in meta
