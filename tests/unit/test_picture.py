"""The type of a picture, and the end of its lifetime."""

from datetime import UTC, datetime

import pytest

from generate_image.picture import HEAD_BYTES, JPEG, PNG, WEBP, PictureType, end_of_lifetime, picture_type


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", PNG),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", JPEG),
        (b"RIFF\x10\0\0\0WEBPVP8 ", WEBP),
        (b"RIFF\x10\0\0\0WAVEfmt ", None),
        (b"JUNK\x10\0\0\0WEBPVP8 ", None),
        (b"<svg xmlns=", None),
        (b"<!doctype html>", None),
        (b"GIF89a", None),
        (b"\x89PN", None),
        (b"", None),
    ],
)
def test_first_bytes_decide_the_type(head: bytes, expected: PictureType | None) -> None:
    assert picture_type(head[:HEAD_BYTES]) == expected


def test_lifetime_ends_at_the_midnight_after_the_days() -> None:
    for stored, days in ((datetime(2026, 11, 1, 10, 30, tzinfo=UTC), 9), (datetime(2026, 11, 1, tzinfo=UTC), 8)):
        assert end_of_lifetime(stored.timestamp(), 7) == datetime(2026, 11, days, tzinfo=UTC).timestamp()
