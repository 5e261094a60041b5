"""Bar charts as SVG, legible on a light page and on a dark one."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

ROW, GAP, LABEL, BARS, VALUE, TOP = 22, 6, 290, 380, 110, 44
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-size: 15px; font-weight: 600 }
.bar { fill: #8c959f } .ours { fill: #0969da }
.spread { stroke: #1f2328; stroke-width: 1.5 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .bar { fill: #6e7681 } .ours { fill: #4493f8 }
.spread { stroke: #e6edf3 }
}
"""


@dataclass(frozen=True, slots=True)
class Bar:
    """shown: the value as text. low, high: where its spread ends. ours: drawn in the colour that stands out."""

    label: str
    value: float
    shown: str
    ours: bool = False
    low: float | None = None
    high: float | None = None


def bar_chart(title: str, bars: Sequence[Bar]) -> str:
    """Return an SVG document."""
    largest = max(bar.high or bar.value for bar in bars) or 1
    scale = BARS / largest
    height = TOP + len(bars) * (ROW + GAP) + 8
    width = LABEL + BARS + VALUE
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
            f'role="img" aria-label="{escape(title)}">'
        ),
        f"<style>{STYLE}</style>",
        f'<text class="title" x="8" y="24">{escape(title)}</text>',
    ]
    for number, bar in enumerate(bars):
        y = TOP + number * (ROW + GAP)
        middle = y + ROW / 2
        kind = "ours" if bar.ours else "bar"
        end = LABEL + max(1.0, bar.value * scale)
        parts.append(f'<text x="{LABEL - 8}" y="{middle + 5}" text-anchor="end">{escape(bar.label)}</text>')
        parts.append(f'<rect class="{kind}" x="{LABEL}" y="{y}" width="{end - LABEL:.1f}" height="{ROW}" rx="2"/>')
        if bar.low is not None and bar.high is not None:
            low, high = LABEL + bar.low * scale, LABEL + bar.high * scale
            parts.append(f'<path class="spread" d="M{low:.1f} {middle}H{high:.1f}"/>')
            end = max(end, high)
        parts.append(f'<text x="{end + 6:.1f}" y="{middle + 5}">{escape(bar.shown)}</text>')
    return "\n".join([*parts, "</svg>", ""])
