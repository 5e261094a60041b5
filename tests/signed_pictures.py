"""Pictures with and without a manifest, and the official C2PA library's verdict on a picture."""

import json
from functools import cache
from io import BytesIO

from c2pa import Reader  # type: ignore[import-untyped]
from PIL import Image

from local.openai_stand_in.content_credentials import sign


def plain_picture(picture_format: str) -> bytes:
    """Return a picture without a manifest. picture_format: png, jpeg or webp."""
    buffer = BytesIO()
    Image.linear_gradient("L").convert("RGB").save(buffer, picture_format.upper())
    return buffer.getvalue()


@cache
def signed_picture(picture_format: str) -> bytes:
    """Return a picture with a manifest."""
    return sign(plain_picture(picture_format))


def verdict(picture: bytes, picture_format: str) -> str:
    """Return the library's validation state of a picture's manifest: Valid, Trusted or Invalid."""
    with Reader(f"image/{picture_format}", BytesIO(picture)) as reader:
        return str(json.loads(reader.json())["validation_state"])
