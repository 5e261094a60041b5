"""A contact sheet: an HTML page with the pictures of a batch, and with the errors of the failed items."""

from collections.abc import Iterable
from html import escape
from typing import NamedTuple
from urllib.parse import quote

PAGE = """<!doctype html>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 14px/1.4 system-ui, sans-serif; margin: 1rem; color: #1f2328; background: #fff }}
main {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(200px, 1fr)); gap: 1rem }}
figure {{ margin: 0; overflow-wrap: anywhere }}
img, .failed {{ width: 100%; aspect-ratio: 1; object-fit: contain; display: grid; place-content: center }}
.failed {{ background: #fdecea; color: #8f1d14; text-align: center }}
</style>
<h1>{title}</h1>
<main>
{figures}
</main>
"""


class Tile(NamedTuple):
    """One item. picture: the path of its file, relative to the page; empty if the item failed with ``error``."""

    caption: str
    picture: str = ""
    error: str = ""


def contact_sheet(title: str, tiles: Iterable[Tile]) -> str:
    """Return the page."""
    return PAGE.format(title=escape(title), figures="\n".join(_figure(tile) for tile in tiles))


def _figure(tile: Tile) -> str:
    caption = f'<figcaption dir="auto">{escape(tile.caption)}</figcaption>'
    if not tile.picture:
        return f'<figure><div class="failed">{escape(tile.error)}</div>{caption}</figure>'
    url = escape(quote(tile.picture))
    return f'<figure><a href="{url}"><img src="{url}" alt="" loading="lazy"></a>{caption}</figure>'
