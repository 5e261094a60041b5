"""The options of one picture: each row of the table, its contradictions, and its place in hash, record and answer."""

from datetime import date
from uuid import UUID

import pytest

from generate_image.answer import answer
from generate_image.aws.links import Link
from generate_image.errors import InvalidRequestError
from generate_image.event import ImageRequest, parse_event, request_hash
from generate_image.options import OptionRules, Options, for_model, not_taken
from generate_image.picture import BoughtPicture, StoredPicture
from generate_image.provider.models import request_parameters
from generate_image.record import Record, Status
from generate_image.settings import Settings
from local.openai_stand_in.parameters import GPT_CHOICES, MODELS, RefusalError, accept

SETTINGS = Settings(image_bucket="pictures", image_namespace=UUID(int=0))
FIRST, SECOND = "gpt-image-2.6-flare", "gpt-image-2"
ANY = OptionRules()
SIZES = "1024x1024 1536x1024 1024x1536 2048x2048 3840x2160 2160x3840 1456x1456 816x816 2880x960 1792x1024"
SINGLE_OPTIONS: list[Options] = [
    *({name: value} for name, values in GPT_CHOICES.items() for value in values),
    *({"quality": quality} for quality in MODELS[FIRST].qualities),
    *({"size": size} for size in SIZES.split()),
    *({"output_compression": value, "output_format": "webp"} for value in (0, 50, 100)),
]


def parse(options: object, rules: OptionRules = ANY) -> ImageRequest:
    event = {"client_id": 1, "config": {"credentials_id": "openai", "prompt": "p", "options": options}}
    return parse_event(event, default_key="k", longest_prompt=32_000, option_rules=rules)


def problems(options: object, rules: OptionRules = ANY) -> dict[str, str]:
    """Return the problem of each option; none if the event is valid."""
    try:
        parse(options, rules)
    except InvalidRequestError as refused:
        return {error["field"].removeprefix("config.options."): error["problem"] for error in refused.errors}
    return {}


def is_accepted(model: str, options: Options) -> bool:
    """Return whether the stand-in accepts the request that the module sends, on a day when all models live."""
    try:
        accept(request_parameters(model, "p", "medium", options), MODELS, date(2026, 1, 1))
    except RefusalError:
        return False
    return True


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("options", SINGLE_OPTIONS, ids=str)
def test_model_takes_what_the_provider_accepts(model: str, options: Options) -> None:
    """A GPT image model gets ``high`` for ``max``. The module has no price for another size of dall-e-3."""
    has_price = model != "dall-e-3" or options.get("size") != "1792x1024"
    assert problems(options) == {}
    assert (not not_taken(model, options)) == (is_accepted(model, options) and has_price)


@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        ({"background": "transparent", "output_format": "jpeg"}, {"background": "must not be transparent for jpeg"}),
        ({"output_compression": 50}, {"output_compression": "needs output_format jpeg or webp"}),
        ({"output_compression": 101, "output_format": "webp"}, {"output_compression": "a whole number from 0 to 100"}),
        ({"output_compression": True, "output_format": "webp"}, {"output_compression": "a whole number"}),
        ({"quality": "auto", "size": 7, "background": ["auto"]}, {"quality": "low, ", "size": "", "background": ""}),
        ({"output_format": "gif"}, {"output_format": "png, "}),
        ({"n": 2, "stream": True}, {"n": "unknown; the options are quality, size, ", "stream": "unknown"}),
        ({"qualty": "high"}, {"qualty": "unknown; did you mean quality?"}),
        ("high", {"config.options": "must be a JSON object"}),
        ({"size": "auto"}, {"size": "WIDTHxHEIGHT"}),
        ({"size": "1024x1024\n"}, {"size": "WIDTHxHEIGHT"}),
        ({"size": "1000x1024"}, {"size": "multiples of 16"}),
        ({"size": "1024x1030"}, {"size": "multiples of 16"}),
        ({"size": "3856x2048"}, {"size": "3840 pixels"}),
        ({"size": "3840x1264"}, {"size": "1:3 to 3:1"}),
        ({"size": "800x800"}, {"size": "655360"}),
        ({"size": "3840x2176"}, {"size": "8294400"}),
    ],
    ids=str,
)
def test_wrong_options_are_listed_together(options: object, wrong: dict[str, str]) -> None:
    found = problems(options)
    assert found.keys() == wrong.keys()
    assert all(text in found[name] for name, text in wrong.items())


def test_option_that_the_operator_does_not_allow_is_refused() -> None:
    default = OptionRules(SETTINGS.caller_options, SETTINGS.image_models)
    assert "CALLER_OPTIONS" in problems({"moderation": "low"}, default)["moderation"]
    assert parse({"moderation": "low"}).options == {"moderation": "low"}
    assert problems({"size": "1024x1024"}, OptionRules(allowed=())).keys() == {"size"}


def test_option_that_no_model_takes_is_refused() -> None:
    second, both = OptionRules(models=(SECOND,)), OptionRules(models=(FIRST, SECOND))
    refused = "no model takes them: gpt-image-2 does not take background=transparent"
    assert problems({"background": "transparent"}, second) == {"config.options": refused}
    assert problems({"quality": "max"}, second) == {"quality": "no such quality for gpt-image-2"}
    assert "must be one of" in problems({"quality": "best"}, second)["quality"]
    assert problems({"background": "transparent", "quality": "max"}, both) == {}
    assert for_model(SECOND, {"quality": "max", "size": "2048x2048"}) == {"quality": "high", "size": "2048x2048"}


def test_only_given_options_change_the_hash() -> None:
    def hashed(options: object) -> str:
        return request_hash(parse(options), SETTINGS)

    assert len({hashed(none) for none in (None, {}, {"quality": None})}) == 1
    assert len({hashed(None), hashed({"quality": "low"}), hashed({"quality": "high"})}) == 3
    assert hashed({"quality": "low", "size": "2048x2048"}) == hashed({"size": "2048x2048", "quality": "low"})


def test_answer_has_the_options_as_the_model_got_them() -> None:
    record = Record(
        *(Status.STORED, "1", "0f5c", "hash", "holder", 0.0, "p"),
        bought=BoughtPicture(SECOND),
        stored=StoredPicture("temporal/cli_1/0f5c.png", "image/png", 0.0),
        options={"quality": "max", "output_format": "webp"},
    )
    read = Record.from_json(record.to_json(), "")
    assert read == record
    meta = answer(read, Link("url", "time"), "bucket", {}, replayed=True)["_meta_"]
    assert meta["options"] == {"quality": "high", "output_format": "webp"}
