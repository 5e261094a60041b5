"""The pictures: a sky, a disc and a caption, in colours from the SHA-256 of the prompt.

The same prompt gives the same bytes.
"""

from __future__ import annotations

import colorsys
import struct
import zlib
from functools import lru_cache
from io import BytesIO

from PIL import Image, ImageDraw, ImageFont, ImageOps

CAPTION = "stand-in picture · not from OpenAI"
Color = tuple[int, int, int]


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
    width, height = size
    hue = seed[0] / 256
    sky = ImageOps.colorize(Image.linear_gradient("L").resize(size), _color(hue, 0.55, 0.5), _color(hue + 0.08, 0.3, 1))
    disc = Image.new("L", size)
    radius, x, y = min(size) / (6 + seed[1] % 6), width * (0.25 + seed[2] / 512), height * (0.25 + seed[3] / 1024)
    ImageDraw.Draw(disc).ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    image = Image.composite(Image.new("RGB", size, _color(hue + 0.12, 0.12, 1)), sky, disc)
    font = ImageFont.load_default(size=min(size) / 46)
    ImageDraw.Draw(image).text((width / 2, height * 0.96), CAPTION, font=font, fill=_color(hue, 0.6, 0.3), anchor="mm")
    if transparent:
        image.putalpha(disc)
    buffer = BytesIO()
    if output_format != "png":
        image.save(buffer, output_format.upper(), quality=max(1, compression))
        return buffer.getvalue()
    image.save(buffer, "PNG", compress_level=1)
    return _padded(buffer.getvalue(), at_least)


def _color(hue: float, saturation: float, value: float) -> Color:
    red, green, blue = (round(255 * channel) for channel in colorsys.hsv_to_rgb(hue % 1, saturation, value))
    return red, green, blue


def _padded(png: bytes, at_least: int) -> bytes:
    """Put a chunk that no program reads after the PNG's header."""
    missing = at_least - len(png) - 12
    if missing <= 0:
        return png
    content = b"paDd" + bytes(missing)
    header = 8 + 25
    return png[:header] + struct.pack(">I", missing) + content + struct.pack(">I", zlib.crc32(content)) + png[header:]
