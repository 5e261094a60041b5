"""The detection of a manifest: in signed pictures, in plain ones and in broken ones."""

from io import BytesIO

import pytest

from generate_image.picture import JPEG, PNG, WEBP, PictureType
from generate_image.provenance import MOST_PARTS, content_credentials
from tests.signed_pictures import plain_picture, signed_picture

KINDS = {"png": PNG, "jpeg": JPEG, "webp": WEBP}


@pytest.mark.parametrize("picture_format", KINDS)
def test_manifest_of_the_official_library_is_detected(picture_format: str) -> None:
    def found(content: bytes) -> str:
        return content_credentials(BytesIO(content), KINDS[picture_format])

    signed, plain = signed_picture(picture_format), plain_picture(picture_format)

    assert found(signed) == "present"
    assert found(plain) == "absent"
    assert found(plain + b"caBX C2PA \xff\xeb jumb jumdc2pa") == "absent"
    assert {found(signed[:length]) for length in range(20)} == {"absent"}


@pytest.mark.parametrize(
    ("kind", "head", "part"),
    [
        (PNG, b"\x89PNG\r\n\x1a\n", bytes(12)),
        (WEBP, b"RIFF0000WEBP", bytes(8)),
        (JPEG, b"\xff\xd8", b"\xff\xe1\x00\x02"),
        (JPEG, b"\xff\xd8", b"\xff"),
    ],
)
def test_search_ends_after_a_number_of_parts(kind: PictureType, head: bytes, part: bytes) -> None:
    file = BytesIO(head + part * 2 * MOST_PARTS)

    assert content_credentials(file, kind) == "absent"
    assert file.tell() < len(head) + len(part) * MOST_PARTS + 100


@pytest.mark.parametrize("filled", [b"\xff", b"\xff\xff\xff"])
def test_bytes_that_fill_a_jpeg_are_skipped(filled: bytes) -> None:
    before, marker, rest = signed_picture("jpeg").partition(b"\xff\xeb")

    assert content_credentials(BytesIO(before + filled + marker + rest), JPEG) == "present"
