"""The models that the stand-in knows, and what each accepts.

The rules are those of OpenAI's API reference for `POST /v1/images/generations`, of its deprecations page, and of the
official SDK's parameter types, as of November 2026. What an image costs in output tokens comes from the image
generation guide; for gpt-image-2.6, whose tokens are not published, those of 2.5 are taken.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

FIXED_SIZES = ("1024x1024", "1024x1536", "1536x1024", "auto")
DALL_E_2_SIZES = ("256x256", "512x512", "1024x1024")
DALL_E_3_SIZES = ("1024x1024", "1024x1792", "1792x1024")

LONGEST_EDGE = 3840
FEWEST_PIXELS, MOST_PIXELS = 655_360, 8_294_400

# Output tokens of the first generation at each size, as the guide's table has them.
FIRST_GENERATION_TOKENS = {
    (1024, 1024): {"low": 272, "medium": 1056, "high": 4160},
    (1024, 1536): {"low": 408, "medium": 1584, "high": 6240},
    (1536, 1024): {"low": 400, "medium": 1568, "high": 6208},
}


@dataclass(frozen=True, kw_only=True)
class Model:
    """One model.

    `sizes` is None where any size within the limits will do. `patches` gives, per quality, the number of patches along
    the longer edge, from which later generations count their output tokens; the first generation has a table instead.
    """

    name: str
    created: int
    shutdown: date | None = None
    dall_e: bool = False
    sizes: tuple[str, ...] | None = None
    qualities: tuple[str, ...] = ("low", "medium", "high")
    patches: Mapping[str, int] | None = None
    complexity: bool = False
    transparent: bool = True
    most_pictures: int = 10
    longest_prompt: int = 32_000

    def is_live(self, today: date) -> bool:
        """Tell whether OpenAI still serves the model on that day."""
        return self.shutdown is None or today < self.shutdown

    def output_tokens(self, width: int, height: int, quality: str) -> int:
        """Count the output tokens of one picture. Sizes in pixels; 0 for DALL·E, which is billed by the picture."""
        if self.dall_e:
            return 0
        if self.patches is None:
            return FIRST_GENERATION_TOKENS[width, height][quality]
        longer = self.patches[quality]
        shorter = round(longer * min(width, height) / max(width, height))
        return math.ceil(longer * shorter * (2_000_000 + width * height) / 4_000_000)


_SECOND = {"low": 16, "medium": 48, "high": 96}
_LATER = {"low": 16, "medium": 24, "high": 48, "xhigh": 64, "max": 96}
_DECEMBER = date(2026, 12, 1)
_MAY = date(2026, 5, 12)


def _first(name: str, created: int, shutdown: date) -> Model:
    return Model(name=name, created=created, shutdown=shutdown, sizes=FIXED_SIZES)


def _later(name: str, created: int, *, complexity: bool = False) -> Model:
    return Model(name=name, created=created, qualities=tuple(_LATER), patches=_LATER, complexity=complexity)


_SECOND_GENERATION = Model(
    name="gpt-image-2", created=1776729600, qualities=tuple(_SECOND), patches=_SECOND, transparent=False
)

MODELS: Mapping[str, Model] = {
    model.name: model
    for model in (
        Model(
            name="dall-e-2",
            created=1698798177,
            shutdown=_MAY,
            dall_e=True,
            sizes=DALL_E_2_SIZES,
            qualities=("standard",),
            longest_prompt=1000,
        ),
        Model(
            name="dall-e-3",
            created=1698785189,
            shutdown=_MAY,
            dall_e=True,
            sizes=DALL_E_3_SIZES,
            qualities=("standard", "hd"),
            most_pictures=1,
            longest_prompt=4000,
        ),
        _first("gpt-image-1", 1745517030, date(2026, 10, 23)),
        _first("gpt-image-1-mini", 1758845821, _DECEMBER),
        _first("gpt-image-1.5", 1764030620, _DECEMBER),
        _first("gpt-image-1.5-2025-12-16", 1764030621, _DECEMBER),
        _first("chatgpt-image-latest", 1765925279, _DECEMBER),
        _SECOND_GENERATION,
        replace(_SECOND_GENERATION, name="gpt-image-2-2026-04-21"),
        _later("gpt-image-2.5-flare", 1788825600),
        _later("gpt-image-2.5-flare-2026-09-08", 1788825600),
        _later("gpt-image-2.5-sunburst", 1788825600),
        _later("gpt-image-2.5-sunburst-2026-09-08", 1788825600),
        _later("gpt-image-2.6-flare", 1793750400, complexity=True),
        _later("gpt-image-2.6-sunburst", 1793750400, complexity=True),
    )
}
