"""The models, and the check of a request's parameters: a `Generation`, or a `RefusalError` of OpenAI's shape.

Sources, as of November 2026: OpenAI's API reference for `POST /v1/images/generations`, its deprecations page, its
prices, and the image generation guide. The guide publishes no output tokens of gpt-image-2.6: those of 2.5 stand here.
Only the parameters are known that the module sends; any other is an unknown parameter.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from datetime import date
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from .faults import INVALID_REQUEST, USER_ERROR

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_EDGE, EDGE_STEP = 3840, 16
FEWEST_PIXELS, MOST_PIXELS = 655_360, 8_294_400
NO_COMPRESSION = 100  # per cent
GPT_CHOICES: Mapping[str, tuple[str, ...]] = {
    "background": ("auto", "opaque", "transparent"),
    "moderation": ("auto", "low"),
    "output_format": ("png", "webp", "jpeg"),
}
"""The values of parameters of all GPT image models. Here as in `Model.choices`, the first one is the default."""
GPT_SIZES = ("auto", "1024x1024", "1536x1024", "1024x1536")

# The first generation's output tokens by quality and size; later generations have a formula (see `output_tokens`).
FIRST_GENERATION_TOKENS = {
    "1024x1024": {"low": 272, "medium": 1056, "high": 4160},
    "1024x1536": {"low": 408, "medium": 1584, "high": 6240},
    "1536x1024": {"low": 400, "medium": 1568, "high": 6208},
}


@dataclass(frozen=True, kw_only=True)
class Model:
    """One model.

    sizes: None where any size within the limits is valid. patches: by quality, the patches along the longer edge.
    usd_per_million_tokens: of the input, of the output. usd_per_picture: in place of tokens.
    """

    qualities: tuple[str, ...]
    shutdown: date | None = None
    sizes: tuple[str, ...] | None = None
    patches: Mapping[str, int] | None = None
    transparent: bool = True
    longest_prompt: int = 32_000
    usd_per_million_tokens: tuple[int, int] = (5, 30)
    usd_per_picture: float | None = None

    @property
    def is_dall_e(self) -> bool:
        """Whether the model speaks the API's older dialect."""
        return self.usd_per_picture is not None

    @property
    def choices(self) -> Mapping[str, tuple[str, ...]]:
        """The parameters that take one of a list of values, with that list."""
        sizes = {"size": self.sizes} if self.sizes else {}
        if self.is_dall_e:
            return {"quality": self.qualities, "response_format": ("url", "b64_json"), **sizes}
        return {**GPT_CHOICES, "quality": ("auto", *self.qualities), **sizes}

    def is_live(self, today: date) -> bool:
        """Whether OpenAI still serves the model on that day."""
        return self.shutdown is None or today < self.shutdown

    def output_tokens(self, width: int, height: int, quality: str) -> int:
        """Return the output tokens of a picture of `width` by `height` pixels; 0 for DALL·E, which has none."""
        if self.is_dall_e:
            return 0
        if self.patches is None:
            return FIRST_GENERATION_TOKENS[f"{width}x{height}"][quality]
        longer = self.patches[quality]
        shorter = round(longer * min(width, height) / max(width, height))
        return math.ceil(longer * shorter * (2_000_000 + width * height) / 4_000_000)

    def microdollars(self, input_tokens: int, output_tokens: int) -> int:
        """Return the price of one picture in millionths of a dollar."""
        if self.usd_per_picture is not None:
            return round(self.usd_per_picture * 1_000_000)
        per_input, per_output = self.usd_per_million_tokens
        return input_tokens * per_input + output_tokens * per_output


_FIRST = Model(qualities=("low", "medium", "high"), sizes=GPT_SIZES, usd_per_million_tokens=(5, 32))
_DYING = replace(_FIRST, shutdown=date(2026, 12, 1))
_PATCHES = {"low": 16, "medium": 48, "high": 96}
_SECOND = Model(qualities=tuple(_PATCHES), patches=_PATCHES, transparent=False)
_LATER_PATCHES = {"low": 16, "medium": 24, "high": 48, "xhigh": 64, "max": 96}
_LATER = Model(qualities=tuple(_LATER_PATCHES), patches=_LATER_PATCHES)

MODELS: Mapping[str, Model] = {
    "dall-e-3": Model(
        qualities=("standard", "hd"),
        shutdown=date(2026, 5, 12),
        sizes=("1024x1024", "1792x1024", "1024x1792"),
        longest_prompt=4000,
        usd_per_picture=0.04,
    ),
    "gpt-image-1": replace(_FIRST, shutdown=date(2026, 10, 23), usd_per_million_tokens=(5, 40)),
    "gpt-image-1-mini": replace(_DYING, usd_per_million_tokens=(2, 8)),
    "gpt-image-1.5": _DYING,
    "chatgpt-image-latest": _DYING,
    "gpt-image-2": _SECOND,
    "gpt-image-2-2026-04-21": _SECOND,
    "gpt-image-2.5-flare": _LATER,
    "gpt-image-2.5-flare-2026-09-08": _LATER,
    "gpt-image-2.5-sunburst": _LATER,
    "gpt-image-2.5-sunburst-2026-09-08": _LATER,
    "gpt-image-2.6-flare": _LATER,
    "gpt-image-2.6-sunburst": _LATER,
}


class RefusalError(Exception):
    """An error response: `status`, and `body`, the JSON document `{"error": {message, type, param, code}}`."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = INVALID_REQUEST,
        param: str | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"message": message, "type": kind, "param": param, "code": code}}


@dataclass(frozen=True, kw_only=True)
class Generation:
    """An accepted request. It holds the SHA-256 of the prompt (`seed`), not the prompt."""

    model: Model
    seed: bytes
    input_tokens: int
    width: int
    height: int
    quality: str
    background: str
    output_format: str
    compression: int
    by_url: bool

    @property
    def output_tokens(self) -> int:
        """The output tokens of the picture."""
        return self.model.output_tokens(self.width, self.height, self.quality)

    @property
    def microdollars(self) -> int:
        """The price in millionths of a dollar."""
        return self.model.microdollars(self.input_tokens, self.output_tokens)


def accept(document: Mapping[str, Any], models: Mapping[str, Model], today: date) -> Generation:
    """Check a request as OpenAI does. A parameter that is null counts as absent. Raises RefusalError."""
    given = {name: value for name, value in document.items() if value is not None}
    name = str(given.get("model"))
    model = models.get(name)
    if model is None or not model.is_live(today):
        raise _user_error("model", f"The model '{name}' does not exist.")
    known = {"model", "prompt", "n", "size", *model.choices, *(() if model.is_dall_e else ("output_compression",))}
    for parameter in given:
        if parameter not in known:
            raise RefusalError(f"Unknown parameter: '{parameter}'.", param=parameter, code="unknown_parameter")
    prompt = _prompt(given, model)
    _integer(given, "n", 1, 1, 1)
    chosen = {parameter: _choice(given, parameter, values) for parameter, values in model.choices.items()}
    width, height = _size(str(chosen.get("size", given.get("size", "auto"))), model)
    background, output_format = chosen.get("background", "auto"), chosen.get("output_format", "png")
    if background == "transparent" and not model.transparent:
        raise _user_error("background", "Transparent background is not supported for this model.")
    if background == "transparent" and output_format == "jpeg":
        raise _user_error("background", "Transparent background is not supported for output format 'jpeg'.")
    compression = _integer(given, "output_compression", 0, NO_COMPRESSION, NO_COMPRESSION)
    if output_format == "png" and compression < NO_COMPRESSION:
        raise _user_error("output_compression", "Compression less than 100 is not supported for PNG output format.")
    return Generation(
        model=model,
        seed=sha256(prompt.encode("utf-8", "surrogatepass")).digest(),
        input_tokens=max(1, -(-len(prompt) // 4)),  # OpenAI's rule of thumb: four characters a token
        width=width,
        height=height,
        quality="medium" if chosen["quality"] == "auto" else chosen["quality"],
        background="transparent" if background == "transparent" else "opaque",
        output_format=output_format,
        compression=compression,
        by_url=chosen.get("response_format") == "url",
    )


def _prompt(given: Mapping[str, Any], model: Model) -> str:
    prompt = given.get("prompt", "")
    if not isinstance(prompt, str):
        raise RefusalError("Invalid type for 'prompt': expected a string.", param="prompt", code="invalid_type")
    if not prompt:
        raise RefusalError("Invalid 'prompt': empty string.", param="prompt", code="empty_string")
    if len(prompt) > model.longest_prompt:
        message = f"Invalid 'prompt': string too long. Expected at most {model.longest_prompt} characters."
        raise RefusalError(message, param="prompt", code="string_above_max_length")
    return prompt


def _choice(given: Mapping[str, Any], name: str, values: tuple[str, ...]) -> str:
    value = given.get(name, values[0])
    if value not in values:
        message = f"Invalid value: '{value}'. Supported values are: {', '.join(map(repr, values))}."
        raise RefusalError(message, param=name, code="invalid_value")
    return str(value)


def _integer(given: Mapping[str, Any], name: str, least: int, most: int, default: int) -> int:
    value = given.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool):
        raise RefusalError(f"Invalid type for '{name}': expected an integer.", param=name, code="invalid_type")
    if not least <= value <= most:
        message = f"Invalid '{name}': expected a value from {least} to {most}, but got {value} instead."
        raise RefusalError(
            message, param=name, code="integer_below_min_value" if value < least else "integer_above_max_value"
        )
    return value


def _size(size: str, model: Model) -> tuple[int, int]:
    if size == "auto":
        return 1024, 1024
    match = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", size)
    width, height = (int(match[1]), int(match[2])) if match else (0, 0)
    is_valid = (
        width % EDGE_STEP == height % EDGE_STEP == 0
        and max(width, height) <= min(LONGEST_EDGE, 3 * min(width, height))
        and FEWEST_PIXELS <= width * height <= MOST_PIXELS
    )
    if not model.sizes and not is_valid:
        raise _user_error("size", f"Invalid size '{size}'. See the image generation guide for the limits.")
    return width, height


def _user_error(name: str, message: str) -> RefusalError:
    return RefusalError(message, kind=USER_ERROR, param=name, code="invalid_value")
