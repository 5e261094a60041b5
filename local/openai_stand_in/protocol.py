"""What OpenAI accepts, and how it refuses the rest: a request's body in, a `Generation` or a `Refusal` out."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from .checks import USER_ERROR, Refusal, choice, integer, text, wrong_type
from .models import FEWEST_PIXELS, LONGEST_EDGE, MOST_PIXELS, Model

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import date

# Of a shorter key, the three first and four last characters would be too much.
SHORTEST_MASKED_KEY = 20
NO_COMPRESSION = 100  # per cent

COMMON_PARAMETERS = frozenset({"prompt", "model", "n", "size", "quality", "user"})
DALL_E_PARAMETERS = COMMON_PARAMETERS | {"response_format", "style"}
GPT_PARAMETERS = COMMON_PARAMETERS | {
    "background",
    "moderation",
    "output_compression",
    "output_format",
    "partial_images",
    "safety_identifier",
    "stream",
}


@dataclass(frozen=True, kw_only=True)
class Generation:
    """An accepted request. The prompt itself is not kept: `seed` is its SHA-256, `prompt_tokens` an estimate."""

    model: Model
    seed: bytes
    prompt_tokens: int
    pictures: int
    width: int
    height: int
    quality: str
    background: str
    output_format: str
    compression: int
    by_url: bool
    safety_identifier: str | None

    @property
    def size(self) -> str:
        """The size as the API writes it, `WIDTHxHEIGHT` in pixels."""
        return f"{self.width}x{self.height}"


def parse_json(body: bytes) -> dict[str, Any]:
    """Read a request's body, or raise the `Refusal` of a body that is not a JSON object."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise Refusal(
            "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP "
            "library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)",
            param=None,
            code=None,
        )
    return document


def check_key(authorization: str | None, accepted: Collection[str]) -> None:
    """Raise the `Refusal` of a missing or wrong key. `authorization` is the header's value."""
    scheme, _, key = (authorization or "").strip().partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise Refusal(
            "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer "
            "auth (i.e. Authorization: Bearer YOUR_KEY).",
            status=401,
            param=None,
            code=None,
        )
    if key.strip() not in accepted:
        raise Refusal(
            f"Incorrect API key provided: {_masked(key.strip())}. You can find your API key at "
            "https://platform.openai.com/account/api-keys.",
            status=401,
            param=None,
            code="invalid_api_key",
        )


def check_content_type(content_type: str | None) -> None:
    """Raise the `Refusal` of a body that does not claim to be JSON. `content_type` is the header's value."""
    if (content_type or "").partition(";")[0].strip().lower() != "application/json":
        raise Refusal(
            f"Unsupported content type: '{content_type}'. This API method only accepts 'application/json' requests.",
            param=None,
            code="unsupported_content_type",
        )


def accept(document: Mapping[str, Any], models: Mapping[str, Model], today: date) -> Generation:
    """Check a request as OpenAI does. A parameter that is null counts as left out. Raises `Refusal`."""
    given = {name: value for name, value in document.items() if value is not None}
    model = _model(given, models, today)
    _check_names(given, model)
    prompt = _prompt(given, model)
    width, height = _size(given, model)
    output_format = choice(given, "output_format", ("png", "webp", "jpeg"), "png")
    choice(given, "moderation", ("auto", "low"), "auto")
    choice(given, "style", ("vivid", "natural"), "vivid")
    choice(given, "complexity", ("low", "medium", "high"), "high")
    response_format = choice(given, "response_format", ("url", "b64_json"), "url")
    _refuse_streaming(given)
    return Generation(
        model=model,
        seed=sha256(prompt.encode("utf-8", "surrogatepass")).digest(),
        prompt_tokens=max(1, -(-len(prompt) // 4)),
        pictures=integer(given, "n", 1, model.most_pictures, 1),
        width=width,
        height=height,
        quality=_quality(given, model),
        background=_background(given, model, output_format),
        output_format=output_format,
        compression=_compression(given, output_format),
        by_url=model.dall_e and response_format == "url",
        safety_identifier=text(given, "safety_identifier", 128) or text(given, "user", None),
    )


def _masked(key: str) -> str:
    if len(key) < SHORTEST_MASKED_KEY:
        return "*" * len(key)
    return f"{key[:3]}{'*' * (len(key) - 7)}{key[-4:]}"


def _model(given: Mapping[str, Any], models: Mapping[str, Model], today: date) -> Model:
    if "model" not in given:
        raise Refusal("Missing required parameter: 'model'.", param="model", code="missing_required_parameter")
    name = given["model"]
    if not isinstance(name, str):
        raise wrong_type("model", "a string", name)
    model = models.get(name)
    if model is None or not model.is_live(today):
        raise Refusal(f"The model '{name}' does not exist.", kind=USER_ERROR, param="model", code="invalid_value")
    return model


def _check_names(given: Mapping[str, Any], model: Model) -> None:
    known = DALL_E_PARAMETERS if model.dall_e else GPT_PARAMETERS
    if model.complexity:
        known |= {"complexity"}
    for name in given:
        if name not in known:
            raise Refusal(f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter")


def _prompt(given: Mapping[str, Any], model: Model) -> str:
    if "prompt" not in given:
        raise Refusal("Missing required parameter: 'prompt'.", param="prompt", code="missing_required_parameter")
    prompt = text(given, "prompt", model.longest_prompt)
    if not prompt:
        raise Refusal(
            "Invalid 'prompt': empty string. Expected a string with minimum length 1, but got an empty string instead.",
            param="prompt",
            code="empty_string",
        )
    return prompt


def _size(given: Mapping[str, Any], model: Model) -> tuple[int, int]:
    if model.sizes is not None:
        default = "1024x1024" if model.dall_e else "auto"
        size = choice(given, "size", model.sizes, default)
    else:
        size = given.get("size", "auto")
        if not isinstance(size, str):
            raise wrong_type("size", "a string", size)
    if size == "auto":
        return 1024, 1024
    match = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", size)
    if not match:
        raise _bad_size(size, "Expected a size in the form WIDTHxHEIGHT, or 'auto'.")
    width, height = int(match[1]), int(match[2])
    if model.sizes is None and (why := _out_of_limits(width, height)):
        raise _bad_size(size, why)
    return width, height


def _out_of_limits(width: int, height: int) -> str | None:
    if width % 16 or height % 16:
        return "Width and height must both be divisible by 16."
    if max(width, height) > LONGEST_EDGE:
        return f"The longest edge must be less than or equal to {LONGEST_EDGE}."
    if max(width, height) > 3 * min(width, height):
        return "The aspect ratio must be between 1:3 and 3:1."
    if width * height < FEWEST_PIXELS:
        return f"The total number of pixels must be greater than or equal to {FEWEST_PIXELS}."
    if width * height > MOST_PIXELS:
        return f"The total number of pixels must be less than or equal to {MOST_PIXELS}."
    return None


def _bad_size(size: str, why: str) -> Refusal:
    return Refusal(f"Invalid size '{size}'. {why}", kind=USER_ERROR, param="size", code="invalid_value")


def _quality(given: Mapping[str, Any], model: Model) -> str:
    if model.dall_e:
        return choice(given, "quality", model.qualities, model.qualities[0])
    quality = choice(given, "quality", (*model.qualities, "auto"), "auto")
    return "medium" if quality == "auto" else quality


def _background(given: Mapping[str, Any], model: Model, output_format: str) -> str:
    background = choice(given, "background", ("transparent", "opaque", "auto"), "auto")
    if background != "transparent":
        return "opaque"
    if not model.transparent:
        why = "Transparent background is not supported for this model."
    elif output_format == "jpeg":
        why = "Transparent background is not supported for output format 'jpeg'."
    else:
        return background
    raise Refusal(why, kind=USER_ERROR, param="background", code="invalid_value")


def _compression(given: Mapping[str, Any], output_format: str) -> int:
    compression = integer(given, "output_compression", 0, NO_COMPRESSION, NO_COMPRESSION)
    if output_format == "png" and compression < NO_COMPRESSION:
        raise Refusal(
            "Compression less than 100 is not supported for PNG output format.",
            kind=USER_ERROR,
            param="output_compression",
            code="invalid_value",
        )
    return compression


def _refuse_streaming(given: Mapping[str, Any]) -> None:
    integer(given, "partial_images", 0, 3, 0)
    stream = given.get("stream", False)
    if not isinstance(stream, bool):
        raise wrong_type("stream", "a boolean", stream)
    if stream:
        raise Refusal("The stand-in does not stream.", param="stream", code="invalid_value")
