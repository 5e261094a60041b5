"""The detection of a manifest: in signed pictures, in plain ones and in broken ones."""

from io import BytesIO

import pytest

from generate_image.picture import JPEG, PNG, WEBP, PictureType
from generate_image.provenance import MOST_PARTS, content_credentials
from tests.signed_pictures import plain_picture, signed_picture

KINDS = {"png": PNG, "jpeg": JPEG, "webp": WEBP}


@pytest.mark.parametrize("picture_format", KINDS)
def test_manifest_of_the_official_library_is_detected(picture_format: str) -> None:
    kind = KINDS[picture_format]
    assert content_credentials(BytesIO(signed_picture(picture_format)), kind) == "present"
    assert content_credentials(BytesIO(plain_picture(picture_format)), kind) == "absent"


@pytest.mark.parametrize("picture_format", KINDS)
def test_name_in_other_data_is_no_manifest(picture_format: str) -> None:
    content = plain_picture(picture_format) + b"caBX C2PA \xff\xeb jumb jumdc2pa"
    assert content_credentials(BytesIO(content), KINDS[picture_format]) == "absent"


@pytest.mark.parametrize("picture_format", KINDS)
def test_cut_picture_is_read_to_its_end(picture_format: str) -> None:
    signed = signed_picture(picture_format)
    found = [content_credentials(BytesIO(signed[:length]), KINDS[picture_format]) for length in range(200)]
    assert found[:20] == ["absent"] * 20


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


@pytest.mark.parametrize("filled", [b"", b"\xff", b"\xff\xff\xff"])
def test_bytes_that_fill_a_jpeg_are_skipped(filled: bytes) -> None:
    signed = signed_picture("jpeg")
    position = signed.index(b"\xff\xeb")
    content = signed[:position] + filled + signed[position:]
    assert content_credentials(BytesIO(content), JPEG) == "present"
