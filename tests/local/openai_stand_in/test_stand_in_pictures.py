"""The pictures are good pictures."""

from __future__ import annotations

import io
from hashlib import sha256

import pytest
from PIL import Image

from local.openai_stand_in.pictures import picture, seed_of

SEED = sha256(b"a quiet lake").digest()


def _opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def test_a_picture_is_a_png_of_1024_by_1024() -> None:
    image = _opened(picture(SEED))
    assert (image.format, image.size, image.mode) == ("PNG", (1024, 1024), "RGB")


def test_the_same_prompt_gives_the_same_bytes() -> None:
    first = picture(SEED)
    picture.cache_clear()
    assert picture(SEED) == first


def test_other_prompts_and_further_pictures_differ() -> None:
    seeds = [SEED, seed_of(SEED, 1), seed_of(SEED, 2), sha256(b"a lake").digest()]
    assert len({picture(seed) for seed in seeds}) == 4


@pytest.mark.parametrize("size", [1_300_000, 2_300_000])
def test_a_padded_picture_has_its_size_and_shows_the_same(size: int) -> None:
    padded = picture(SEED, at_least=size)
    assert len(padded) == size
    assert _opened(padded).tobytes() == _opened(picture(SEED)).tobytes()


def test_a_picture_says_that_it_is_a_stand_in() -> None:
    """The caption is drawn last, in white, over the foot of the picture: nothing there is lighter."""
    image = _opened(picture(SEED))
    caption = image.crop((300, 960, 724, 1016)).convert("L").tobytes()
    beside = image.crop((0, 960, 300, 1016)).convert("L").tobytes()
    assert max(caption) > max(beside)
