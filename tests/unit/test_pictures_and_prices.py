"""What a picture is, and what it cost."""

from uuid import UUID

import pytest

from generate_image.pictures import HEAD_BYTES, JPEG, PNG, WEBP, PictureType, picture_type
from generate_image.prices import cost_usd, price_list
from generate_image.settings import Settings


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", PNG),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", JPEG),
        (b"RIFF\x10\0\0\0WEBPVP8 ", WEBP),
        (b"RIFF\x10\0\0\0WAVEfmt ", None),
        (b"<svg xmlns=", None),
        (b"<!doctype html>", None),
        (b"GIF89a", None),
        (b"\x89PN", None),
        (b"", None),
    ],
)
def test_the_first_bytes_tell(head: bytes, expected: PictureType | None) -> None:
    assert picture_type(head[:HEAD_BYTES]) == expected


USAGE = {"input_tokens": 23, "output_tokens": 439, "total_tokens": 462}


@pytest.mark.parametrize(
    ("model", "usage", "cost"),
    [
        ("gpt-image-2.6-flare", USAGE, 0.0133),
        ("gpt-image-2-2026-04-21", {"input_tokens": 0, "output_tokens": 1756}, 0.0527),
        ("dall-e-3", None, 0.04),
        ("gpt-image-2", None, None),
        ("somebody-elses", USAGE, None),
    ],
)
def test_a_price_is_known_or_left_out(model: str, usage: dict[str, int] | None, cost: float | None) -> None:
    assert cost_usd(model, usage) == cost


def test_the_default_models_have_a_price() -> None:
    settings = Settings(image_bucket="pictures", image_namespace=UUID(int=0))
    assert set(settings.image_models) <= set(price_list()["usd_per_million_tokens"])
