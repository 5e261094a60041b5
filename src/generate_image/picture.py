"""A picture: its type, the facts of its purchase, its place in S3 and its lifetime."""

import math
from typing import NamedTuple

HEAD_BYTES = 12
"""The first bytes that decide the type."""
LARGEST_BYTES = 32 * 1024 * 1024
"""A 1024x1024 picture of the GPT image models has 1.3 to 2.3 MB. A larger file is not such a picture."""
DAY_SECONDS = 86_400
BATCH = "batch"
"""The pricing of the provider's Batch API: half of the standard price."""


class PictureType(NamedTuple):
    """A file extension, with the dot, and its Content-Type."""

    extension: str
    content_type: str


PNG = PictureType(".png", "image/png")
JPEG = PictureType(".jpg", "image/jpeg")
WEBP = PictureType(".webp", "image/webp")
PICTURE_TYPES = (PNG, JPEG, WEBP)


class Usage(NamedTuple):
    """The provider's token counts of one purchase."""

    input_tokens: int
    output_tokens: int
    total_tokens: int


class BoughtPicture(NamedTuple):
    """The facts of a purchase. None: not known. source_url: the provider's own URL, for models that return one.

    pricing: BATCH for a picture of the provider's Batch API, else None.
    """

    model: str
    openai_request_id: str | None = None
    usage: Usage | None = None
    cost_usd: float | None = None
    source_url: str | None = None
    pricing: str | None = None


class StoredPicture(NamedTuple):
    """A picture in S3. stored_at: seconds since the epoch.

    content_credentials: ``present`` or ``absent``, of provenance.py; None for a picture of version 1.
    """

    key: str
    content_type: str
    stored_at: float
    content_credentials: str | None = None


def picture_type(head: bytes) -> PictureType | None:
    """Return the type of a file that begins with ``head``, or None if it is not a picture that may be stored.

    SVG and HTML are refused, because a browser executes them.
    """
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG
    if head.startswith(b"\xff\xd8\xff"):
        return JPEG
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return WEBP
    return None


def object_key(client_id: str, image_id: str, extension: str) -> str:
    """Return the S3 key of a picture (``.png``) or of its record (``.json``)."""
    return f"temporal/cli_{client_id}/{image_id}{extension}"


def end_of_lifetime(stored_at: float, retention_days: int) -> int:
    """Return the moment from which S3 may delete an object. Both moments are seconds since the epoch.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html#intro-lifecycle-rules-number-of-days:
    S3 adds the days and rounds up to the next midnight UTC.
    """
    return math.ceil(stored_at / DAY_SECONDS + retention_days) * DAY_SECONDS
