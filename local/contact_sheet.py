"""A contact sheet: the pictures of a batch, small, in the order of its list, and in a failed one's place its error."""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

from PIL import Image, ImageDraw, ImageFont

COLUMNS = 6
SIDE = 200
GAP = 12
CAPTION_HEIGHT = 40
CAPTION_SIZE = 13
CAPTION_CHARACTERS = 30
CAPTION_LINES = 2
PAPER = "#ffffff"
INK = "#1f2328"
FAILED_PAPER = "#fdecea"
FAILED_INK = "#8f1d14"


@dataclass(frozen=True, slots=True)
class Tile:
    """One item. picture: the bytes of any format that Pillow reads; None where the item failed with ``error``."""

    caption: str
    picture: bytes | None = None
    error: str = ""


def contact_sheet(tiles: Sequence[Tile]) -> Image.Image:
    """Draw the tiles row by row. Raises ValueError for none, and Pillow's UnidentifiedImageError for a broken one."""
    if not tiles:
        raise ValueError("There is nothing to show.")
    columns = min(COLUMNS, len(tiles))
    rows = math.ceil(len(tiles) / columns)
    step_x, step_y = SIDE + GAP, SIDE + CAPTION_HEIGHT + GAP
    sheet = Image.new("RGB", (columns * step_x + GAP, rows * step_y + GAP), PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(CAPTION_SIZE)
    for number, tile in enumerate(tiles):
        x, y = GAP + number % columns * step_x, GAP + number // columns * step_y
        if tile.picture is not None:
            with Image.open(BytesIO(tile.picture)) as picture:
                picture.thumbnail((SIDE, SIDE))
                sheet.paste(picture, (x + (SIDE - picture.width) // 2, y + (SIDE - picture.height) // 2))
        else:
            draw.rectangle((x, y, x + SIDE - 1, y + SIDE - 1), fill=FAILED_PAPER, outline=FAILED_INK)
            draw.text((x + SIDE // 2, y + SIDE // 2), tile.error, fill=FAILED_INK, font=font, anchor="mm")
        caption = textwrap.wrap(tile.caption, CAPTION_CHARACTERS, max_lines=CAPTION_LINES, placeholder=" …")
        draw.multiline_text((x, y + SIDE + 4), "\n".join(caption), fill=INK, font=font, spacing=2)
    return sheet
