"""The pictures: a sky, a disc and a caption, in colours from the SHA-256 of the prompt.

The same prompt gives the same bytes.
"""

from __future__ import annotations

import colorsys
import struct
import zlib
from functools import lru_cache
from io import BytesIO

from PIL import Image, ImageDraw, ImageFont

CAPTION = "stand-in picture · not from OpenAI"
DISC, INK = 254, 255  # in the palette; the sky has the indices below


@lru_cache(maxsize=64)
def draw(
    seed: bytes,
    size: tuple[int, int],
    output_format: str = "png",
    compression: int = 100,
    *,
    transparent: bool = False,
    at_least: int = 0,
) -> bytes:
    """Return a picture. size: width and height in pixels. at_least: bytes to which a PNG is padded, about."""
    (width, height), hue = size, seed[0] / 256
    # A byte a pixel, as an index into a palette: three times as fast as colours.
    indices = Image.linear_gradient("L").resize(size, Image.Resampling.NEAREST).point(lambda row: min(row, DISC - 1))
    canvas = ImageDraw.Draw(indices)
    canvas.fontmode = "1"
    radius, x, y = min(size) / (6 + seed[1] % 6), width * (0.25 + seed[2] / 512), height * (0.25 + seed[3] / 1024)
    canvas.ellipse((x - radius, y - radius, x + radius, y + radius), fill=DISC)
    font = ImageFont.load_default(size=min(size) / 46)
    canvas.text((width / 2, height * 0.96), CAPTION, font=font, fill=INK, anchor="mm")
    image = indices.copy()
    sky = [_color(hue + 0.08 * row / DISC, 0.55 - 0.25 * row / DISC, 0.5 + 0.5 * row / DISC) for row in range(DISC)]
    image.putpalette(b"".join((*sky, _color(hue + 0.12, 0.12, 1), _color(hue, 0.6, 0.3))))
    if transparent:
        image = image.convert("RGBA")
        image.putalpha(indices.point(lambda index: 255 * (index == DISC)))
    buffer = BytesIO()
    if output_format == "png":
        image.save(buffer, "PNG", compress_level=1)
        return _padded(buffer.getvalue(), at_least)
    image.convert("RGBA" if transparent else "RGB").save(buffer, output_format.upper(), quality=max(1, compression))
    return buffer.getvalue()


def content_type(picture: bytes) -> str:
    """Return the media type of a picture by its first bytes: JPEG, WebP, or else PNG."""
    return {b"\xff\xd8\xff": "image/jpeg", b"RIF": "image/webp"}.get(picture[:3], "image/png")


def _color(hue: float, saturation: float, value: float) -> bytes:
    return bytes(round(255 * channel) for channel in colorsys.hsv_to_rgb(hue % 1, saturation, value))


def _padded(png: bytes, at_least: int) -> bytes:
    """Put a chunk that no program reads after the PNG's header."""
    missing = at_least - len(png) - 12
    if missing <= 0:
        return png
    content = b"paDd" + bytes(missing)
    header = 8 + 25
    return png[:header] + struct.pack(">I", missing) + content + struct.pack(">I", zlib.crc32(content)) + png[header:]
