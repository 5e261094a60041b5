"""What a picture is: told by its first bytes, never by a header or a name."""

from typing import NamedTuple

HEAD_BYTES = 12
"""So many first bytes tell the type."""
LARGEST_BYTES = 32 * 1024 * 1024
"""A 1024x1024 picture of the GPT image models has 1.3 to 2.3 MB; more than this is no such picture."""


class PictureType(NamedTuple):
    """A file's ending, with the dot, and its Content-Type."""

    extension: str
    content_type: str


PNG = PictureType(".png", "image/png")
JPEG = PictureType(".jpg", "image/jpeg")
WEBP = PictureType(".webp", "image/webp")
PICTURE_TYPES = (PNG, JPEG, WEBP)


def picture_type(head: bytes) -> PictureType | None:
    """Return the type of a file that begins with ``head``; None where it is no picture that may be stored.

    SVG and HTML, which a browser would execute, are not.
    """
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG
    if head.startswith(b"\xff\xd8\xff"):
        return JPEG
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return WEBP
    return None
