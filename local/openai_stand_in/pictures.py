"""The pictures: a landscape with hills and a sun or a moon, drawn from the SHA-256 of the prompt.

The same prompt gives the same bytes. A picture costs some tens of milliseconds, and the last few are kept.
"""

from __future__ import annotations

import math
import struct
import zlib
from functools import lru_cache
from io import BytesIO
from random import Random
from typing import NamedTuple

from PIL import Image, ImageChops, ImageDraw, ImageFont, ImageOps

CAPTION = "stand-in picture · not from OpenAI"

# What Pillow's radial gradient, inverted, has left in the middle of its edges.
HALO_RIM = 76

Color = tuple[int, int, int]


class Palette(NamedTuple):
    """Colors from top to bottom: the sky's zenith and horizon, the light, the farthest hill and the nearest."""

    zenith: Color
    horizon: Color
    light: Color
    far: Color
    near: Color
    night: bool = False


PALETTES = (
    Palette((92, 122, 176), (253, 214, 178), (255, 244, 214), (196, 168, 178), (40, 52, 78)),
    Palette((70, 60, 120), (255, 168, 128), (255, 226, 170), (190, 116, 132), (38, 28, 58)),
    Palette((126, 186, 214), (238, 244, 230), (255, 252, 232), (160, 196, 186), (28, 78, 74)),
    Palette((12, 20, 48), (70, 96, 142), (240, 240, 222), (62, 84, 126), (8, 14, 32), night=True),
    Palette((40, 22, 66), (150, 92, 140), (252, 232, 216), (116, 76, 126), (20, 12, 36), night=True),
    Palette((232, 176, 150), (252, 232, 204), (255, 250, 236), (222, 168, 138), (110, 54, 48)),
    Palette((150, 170, 200), (240, 222, 226), (255, 250, 246), (186, 188, 206), (58, 70, 100)),
    Palette((66, 132, 138), (250, 222, 160), (255, 246, 206), (146, 176, 142), (24, 58, 54)),
)


@lru_cache(maxsize=64)
def picture(
    seed: bytes,
    width: int = 1024,
    height: int = 1024,
    output_format: str = "png",
    compression: int = 100,
    *,
    transparent: bool = False,
    at_least: int = 0,
) -> bytes:
    """Give the bytes of a picture in pixels `width` by `height`; a PNG is padded to about `at_least` bytes."""
    image = _landscape(seed, width, height, transparent=transparent)
    buffer = BytesIO()
    if output_format == "png":
        image.save(buffer, "PNG", compress_level=2)
        return _padded(buffer.getvalue(), at_least, seed)
    image.save(buffer, output_format.upper(), quality=max(1, min(compression, 95)))
    return buffer.getvalue()


def seed_of(seed: bytes, index: int) -> bytes:
    """Give the seed of one of several pictures for the same prompt, counted from 0."""
    return seed if index == 0 else seed + index.to_bytes(1, "big")


def _landscape(seed: bytes, width: int, height: int, *, transparent: bool) -> Image.Image:
    random = Random(seed)
    palette = random.choice(PALETTES)
    shift = random.uniform(-14, 14)
    palette = palette._replace(zenith=_shifted(palette.zenith, shift), horizon=_shifted(palette.horizon, -shift / 2))
    image = _sky(random, palette, width, height)
    drawn = Image.new("L", image.size, 0) if transparent else None
    layers = random.randint(4, 6)
    for layer in range(layers):
        _hill(random, image, palette, layer / (layers - 1), drawn)
    _caption(image)
    if drawn:
        image.putalpha(drawn)
    return image


def _shifted(color: Color, shift: float) -> Color:
    red, green, blue = (
        min(255, max(0, round(channel + way * shift))) for channel, way in zip(color, (1, 0.3, -1), strict=True)
    )
    return red, green, blue


def _mixed(one: Color, other: Color, share: float) -> Color:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _vertical(top: Color, bottom: Color, width: int, height: int) -> Image.Image:
    ramp = Image.linear_gradient("L").resize((1, height), Image.Resampling.BICUBIC)
    return ImageOps.colorize(ramp, top, bottom).resize((width, height), Image.Resampling.NEAREST)


def _sky(random: Random, palette: Palette, width: int, height: int) -> Image.Image:
    sky = Image.new("RGB", (width, height), palette.horizon)
    sky.paste(_vertical(palette.zenith, palette.horizon, width, round(height * 0.68)))
    unit = min(width, height)
    if palette.night:
        _stars(random, sky, palette)
    center_x, center_y = round(width * random.uniform(0.2, 0.8)), round(height * random.uniform(0.2, 0.46))
    radius = round(unit * random.uniform(0.045, 0.085))
    glow = round(unit * random.uniform(0.4, 0.6))
    halo = ImageChops.invert(Image.radial_gradient("L")).resize((2 * glow, 2 * glow), Image.Resampling.BICUBIC)
    strength = 0.35 if palette.night else 0.75
    fading = [round(strength * 255 * (max(0, level - HALO_RIM) / (255 - HALO_RIM)) ** 2) for level in range(256)]
    sky.paste(palette.light, (center_x - glow, center_y - glow), halo.point(fading))
    disc = Image.new("L", (8 * radius, 8 * radius))
    ImageDraw.Draw(disc).ellipse((0, 0, 8 * radius - 1, 8 * radius - 1), fill=255)
    sky.paste(palette.light, (center_x - radius, center_y - radius), disc.reduce(4))
    return sky


def _stars(random: Random, sky: Image.Image, palette: Palette) -> None:
    draw = ImageDraw.Draw(sky)
    for _ in range(sky.width * sky.height // 9000):
        x, y = random.uniform(0, sky.width), sky.height * 0.6 * random.random() ** 1.4
        radius = random.choice((0.6, 0.6, 1, 1.6))
        color = _mixed(palette.zenith, palette.light, random.uniform(0.3, 0.95))
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=color)


def _hill(random: Random, image: Image.Image, palette: Palette, nearness: float, drawn: Image.Image | None) -> None:
    width, height = image.size
    base = height * (0.54 + 0.32 * nearness)
    swell = height * (0.05 + 0.02 * nearness)
    waves = [(random.uniform(0.6, 1.6), random.uniform(0, math.tau), 1.0)]
    waves += [
        (random.uniform(2, 4), random.uniform(0, math.tau), 0.38),
        (random.uniform(5, 9), random.uniform(0, math.tau), 0.14),
    ]
    waves += [(random.uniform(14, 24), random.uniform(0, math.tau), 0.035)]
    ridge = [
        base + swell * sum(share * math.sin(math.tau * cycles * x / width + phase) for cycles, phase, share in waves)
        for x in range(0, width + 8, 8)
    ]
    top, bottom = math.floor(min(ridge)), min(height, math.ceil(max(ridge)) + 1)
    color = _mixed(palette.far, palette.near, nearness**1.2)
    foot = _mixed(color, palette.horizon, 0.55 * (1 - nearness) + 0.05)
    fill = _vertical(color, foot, width, height - top)
    mask = Image.new("L", (2 * width, 2 * (bottom - top)))
    outline = [(16 * index, 2 * (y - top)) for index, y in enumerate(ridge)]
    ImageDraw.Draw(mask).polygon([(0, mask.height), *outline, (outline[-1][0], mask.height)], fill=255)
    edge = mask.reduce(2)
    image.paste(fill.crop((0, 0, width, bottom - top)), (0, top), edge)
    image.paste(fill.crop((0, bottom - top, width, height - top)), (0, bottom))
    if drawn:
        drawn.paste(255, (0, top), edge)
        drawn.paste(255, (0, bottom, width, height))


def _caption(image: Image.Image) -> None:
    unit = min(image.size)
    text = _caption_mask(unit)
    place = (image.width - text.width) // 2, image.height - round(unit * 0.035) - text.height // 2
    image.paste((255, 255, 255), place, text)


@lru_cache(maxsize=8)
def _caption_mask(unit: int) -> Image.Image:
    font = ImageFont.load_default(size=unit / 46)
    left, top, right, bottom = font.getbbox(CAPTION)
    mask = Image.new("L", (math.ceil(right - left), math.ceil(bottom - top)))
    ImageDraw.Draw(mask).text((-left, -top), CAPTION, font=font, fill=190)
    return mask


def _padded(png: bytes, at_least: int, seed: bytes) -> bytes:
    """Put an ancillary chunk of the type that carries C2PA provenance (`caBX`) after the header."""
    missing = at_least - len(png) - 12
    if missing <= 0:
        return png
    content = b"caBX" + Random(seed).randbytes(missing)
    chunk = struct.pack(">I", missing) + content + struct.pack(">I", zlib.crc32(content))
    header = 8 + 25
    return png[:header] + chunk + png[header:]
