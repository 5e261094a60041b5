"""The reserved price of a picture is never below the bill: for each model, quality and size that can be requested."""

from datetime import date
from itertools import product

import pytest

from generate_image.options import EDGE_STEP, LONGEST_EDGE, QUALITIES, STANDARD_SIZES, Options, size_problem
from generate_image.provider.models import largest_cost_of, refusal, request_parameters
from generate_image.settings import Settings
from local.openai_stand_in.parameters import MODELS, accept

LAUNCH = date(2026, 1, 1)
"""All models of the stand-in are alive."""
DEFAULTS = Settings.from_mapping({"IMAGE_BUCKET": "bucket", "IMAGE_NAMESPACE": "6f1c8a52-3f0e-4d0a-9a0b-5a5b1e0c7d11"})
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
        bound = largest_cost_of(model, prompt, default_quality, options, DEFAULTS.max_picture_usd)
        picture = accept(request_parameters(model, prompt, default_quality, options), MODELS, LAUNCH)
        assert bound is not None
        assert picture.model.microdollars(picture.input_tokens, picture.output_tokens) <= bound, options
        checked += 1
    assert checked >= 4
