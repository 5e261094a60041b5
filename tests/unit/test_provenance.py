"""The detection of a manifest: in signed pictures, in plain ones and in broken ones."""

from io import BytesIO

import pytest

from generate_image.picture import JPEG, PNG, WEBP, PictureType
from generate_image.provenance import MOST_PARTS, content_credentials
from local.openai_stand_in.content_credentials import sign
from local.openai_stand_in.pictures import draw

KINDS = {"png": PNG, "jpeg": JPEG, "webp": WEBP}
PNG_HEAD, WEBP_HEAD, JPEG_HEAD = b"\x89PNG\r\n\x1a\n", b"RIFF0000WEBP", b"\xff\xd8"
SEGMENT = b"\xff\xeb\0\x20JP" + bytes(10) + b"jumb" + bytes(4) + b"jumdc2pa"
"""The begin of a JPEG's segment with a manifest."""


@pytest.mark.parametrize("picture_format", KINDS)
def test_manifest_of_the_official_library_is_detected(picture_format: str) -> None:
    def found(content: bytes) -> str:
        return content_credentials(BytesIO(content), KINDS[picture_format])

    plain = draw(bytes(32), (256, 256), picture_format)
    signed = sign(plain)

    assert found(signed) == "present"
    assert found(plain) == "absent"
    assert {found(signed[:length]) for length in range(20)} == {"absent"}


@pytest.mark.parametrize(
    ("kind", "content", "expected"),
    [
        (PNG, PNG_HEAD + b"\0\0\0\x01tEXt." + bytes(4) + b"\0\0\0\0caBX", "present"),
        (PNG, PNG_HEAD + b"\0\0\0\x08tEXt\0\0\0\0caBX" + bytes(4), "absent"),
        (WEBP, WEBP_HEAD + b"XMP \x03\0\0\0abc\0" + b"C2PA\0\0\0\0", "present"),
        (WEBP, WEBP_HEAD + b"XMP \x08\0\0\0C2PA\0\0\0\0", "absent"),
        (JPEG, JPEG_HEAD + b"\xff\xe0\0\x04ab" + SEGMENT, "present"),
        (JPEG, JPEG_HEAD + b"\xff\xff\xff" + SEGMENT, "present"),  # bytes that fill
        (JPEG, JPEG_HEAD + SEGMENT.replace(b"\xeb", b"\xea"), "absent"),
        (JPEG, JPEG_HEAD + SEGMENT.replace(b"JP", b"PJ"), "absent"),
        (JPEG, JPEG_HEAD + SEGMENT.replace(b"jumb", b"jumc"), "absent"),
        (JPEG, JPEG_HEAD + SEGMENT.replace(b"c2pa", b"c2pb"), "absent"),
        (JPEG, JPEG_HEAD + b"\xff\xda\0\x02" + SEGMENT, "absent"),
        (JPEG, JPEG_HEAD + b"\0\0\0\x02" + SEGMENT, "absent"),
    ],
)
def test_manifest_counts_only_in_its_place(kind: PictureType, content: bytes, expected: str) -> None:
    assert content_credentials(BytesIO(content), kind) == expected


@pytest.mark.parametrize(
    ("kind", "head", "part"),
    [
        (PNG, PNG_HEAD, bytes(12)),
        (WEBP, WEBP_HEAD, bytes(8)),
        (JPEG, JPEG_HEAD, b"\xff\xe1\x00\x02"),
        (JPEG, JPEG_HEAD, b"\xff"),
    ],
)
def test_search_ends_after_a_number_of_parts(kind: PictureType, head: bytes, part: bytes) -> None:
    file = BytesIO(head + part * 2 * MOST_PARTS)

    assert content_credentials(file, kind) == "absent"
    assert file.tell() < len(head) + len(part) * MOST_PARTS + 100
