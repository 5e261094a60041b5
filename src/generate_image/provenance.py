"""Detects the C2PA manifest in a picture: its signed statement of origin. Nothing is verified and no byte is changed.

The places of a manifest: https://spec.c2pa.org/specifications/specifications/2.2/specs/C2PA_Specification.html
(appendix A, embedding manifests into PNG, JPEG and RIFF files).
"""

import os
from collections.abc import Callable, Mapping
from typing import IO, Literal

from generate_image.picture import JPEG, PNG, WEBP, PictureType

ContentCredentials = Literal["present", "absent"]

MOST_PARTS = 65_536
"""Parts of a file that are read before the search ends. A picture of 20 MB in PNG chunks of 8 KB has 2,500."""
CHUNK_HEAD_BYTES = 8
"""The length and the type of a PNG or WebP chunk."""
SEGMENT_HEAD_BYTES = 32
"""A JPEG segment's marker and length, and its content up to the first bytes of a JUMBF box's UUID."""


def content_credentials(content: IO[bytes], kind: PictureType) -> ContentCredentials:
    """Return whether a picture has a manifest. It reads some bytes of each part and moves the file's position."""
    return "present" if _FINDERS[kind](content) else "absent"


def _is_in_png(content: IO[bytes]) -> bool:
    """https://www.w3.org/TR/png-3/#5Chunk-layout: length, type, data, CRC."""
    content.seek(8)
    for _ in range(MOST_PARTS):
        head = content.read(CHUNK_HEAD_BYTES)
        if len(head) < CHUNK_HEAD_BYTES or head[4:] == b"caBX":
            return len(head) == CHUNK_HEAD_BYTES
        content.seek(int.from_bytes(head[:4], "big") + 4, os.SEEK_CUR)
    return False


def _is_in_webp(content: IO[bytes]) -> bool:
    """https://developers.google.com/speed/webp/docs/riff_container: type, length, data, padded to an even length."""
    content.seek(12)
    for _ in range(MOST_PARTS):
        head = content.read(CHUNK_HEAD_BYTES)
        if len(head) < CHUNK_HEAD_BYTES or head[:4] == b"C2PA":
            return len(head) == CHUNK_HEAD_BYTES
        length = int.from_bytes(head[4:], "little")
        content.seek(length + length % 2, os.SEEK_CUR)
    return False


def _is_in_jpeg(content: IO[bytes]) -> bool:
    """Search the APP11 segments before the picture's data for a JUMBF box whose UUID begins with ``c2pa``."""
    position = 2
    for _ in range(MOST_PARTS):
        content.seek(position)
        head = content.read(SEGMENT_HEAD_BYTES)
        if head[:1] != b"\xff" or head[1:2] == b"\xda":  # the begin of the picture's data
            return False
        if head[1:2] == b"\xff":  # a byte that fills
            position += 1
            continue
        if head[:2] == b"\xff\xeb" and head[4:6] == b"JP" and head[16:20] == b"jumb" and head[24:] == b"jumdc2pa":
            return True
        position += 2 + int.from_bytes(head[2:4], "big")
    return False


_FINDERS: Mapping[PictureType, Callable[[IO[bytes]], bool]] = {PNG: _is_in_png, JPEG: _is_in_jpeg, WEBP: _is_in_webp}
