"""The options of one picture: the values that a caller may set, and the models that take them.

Names and values are those of OpenAI's Images API, as of November 2026:
https://developers.openai.com/api/reference/resources/images/methods/generate
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

Options = Mapping[str, str | int]
NO_OPTIONS: Options = MappingProxyType({})

QUALITIES = ("low", "medium", "high", "xhigh", "max")
STANDARD_SIZES = ("1024x1024", "1536x1024", "1024x1536")
STANDARD_SIZE = STANDARD_SIZES[0]
"""The size of a picture without the option."""
LONGEST_EDGE = 3840
FEWEST_PIXELS, MOST_PIXELS = 655_360, 8_294_400
EDGE_STEP = 16

_Values = Mapping[str, Collection[str | int] | None]
"""The values of each option. None: every size within the rules."""

_ALL: _Values = {
    "quality": QUALITIES,
    "size": None,
    "output_format": ("png", "jpeg", "webp"),
    "output_compression": range(101),
    "background": ("transparent", "opaque", "auto"),
    "moderation": ("auto", "low"),
}
OPTIONS = tuple(_ALL)

_MODELS: tuple[tuple[str, _Values], ...] = (
    (r"dall-e.*", {"size": (STANDARD_SIZE,)}),
    (r"gpt-image-1\b.*|chatgpt-image-latest", {**_ALL, "quality": QUALITIES[:3], "size": STANDARD_SIZES}),
    (r"gpt-image-2(-.*)?", {**_ALL, "quality": QUALITIES[:3], "background": ("opaque", "auto")}),
    (r".*", _ALL),  # gpt-image-2.5, gpt-image-2.6 and the models of other hosts
)
"""The values that each model takes; the first pattern that matches its name counts."""


class OptionRules(NamedTuple):
    """The operator's rules: the options that callers may set, and the models that may be used (empty: not known)."""

    allowed: Collection[str] = OPTIONS
    models: Sequence[str] = ()


def option_problems(options: Mapping[str, Any], rules: OptionRules) -> Iterator[tuple[str, str]]:
    """Yield each problem of a caller's options, as the option's name and the problem.

    An empty name stands for all options together.
    """
    problems = dict(_problems_of_each(options, rules))
    if options.get("background") == "transparent" and options.get("output_format") == "jpeg":
        problems.setdefault("background", "must not be transparent for jpeg; jpeg has no transparency")
    if "output_compression" in options and options.get("output_format") not in ("jpeg", "webp"):
        problems.setdefault("output_compression", "needs output_format jpeg or webp")
    if not problems and rules.models:
        problems |= _problems_of_models(options, rules.models)
    yield from problems.items()


def for_model(model: str, options: Options) -> Options:
    """Return the options as a model gets them: ``xhigh`` and ``max`` become ``high`` where the model has neither."""
    return {name: quality_of(model, str(value)) if name == "quality" else value for name, value in options.items()}


def quality_of(model: str, quality: str) -> str:
    """Return the quality to request: models up to gpt-image-2 refuse ``xhigh`` and ``max``, so they get ``high``."""
    qualities = _values(model).get("quality") or QUALITIES
    return quality if quality in qualities else "high"


def not_taken(model: str, options: Options) -> str:
    """Return the options that a model does not take, such as ``background=transparent``; an empty text if none."""
    values = _values(model)
    refused = [
        f"{name}={value}" for name, value in for_model(model, options).items() if not _is_among(values, name, value)
    ]
    return ", ".join(refused)


def size_problem(size: str) -> str:
    """Return the rule that a size breaks; an empty text if none. The rules: OpenAI's image generation guide."""
    match = re.fullmatch(r"([1-9][0-9]{1,3})x([1-9][0-9]{1,3})", size)
    if not match:
        return f"must be WIDTHxHEIGHT, such as {STANDARD_SIZE}"
    short, long = sorted(map(int, match.groups()))
    if short % EDGE_STEP or long % EDGE_STEP:
        return f"must have a width and a height that are multiples of {EDGE_STEP}"
    if long > LONGEST_EDGE:
        return f"must have no edge above {LONGEST_EDGE} pixels"
    if long > 3 * short:
        return "must have a ratio from 1:3 to 3:1"
    if not FEWEST_PIXELS <= short * long <= MOST_PIXELS:
        return f"must have {FEWEST_PIXELS} to {MOST_PIXELS} pixels"
    return ""


def _problems_of_each(options: Mapping[str, Any], rules: OptionRules) -> Iterator[tuple[str, str]]:
    for name, value in options.items():
        if name not in _ALL:
            yield name, f"unknown; the options are {', '.join(OPTIONS)}"
        elif name not in rules.allowed:
            yield name, "not allowed here; an operator can add it to CALLER_OPTIONS"
        elif problem := _problem_of(name, value):
            yield name, problem


def _problem_of(name: str, value: object) -> str:
    values = _ALL[name]
    if values is None:
        return size_problem(value) if isinstance(value, str) else "must be a string"
    if isinstance(values, range):
        wanted = f"must be a whole number from {values[0]} to {values[-1]}"
        return "" if type(value) is int and value in values else wanted
    return "" if isinstance(value, str) and value in values else f"must be one of {', '.join(map(str, values))}"


def _problems_of_models(options: Options, models: Sequence[str]) -> dict[str, str]:
    """Return the problem of options that no model takes."""
    quality = options.get("quality")
    if quality is not None and not any(_is_among(_values(model), "quality", quality) for model in models):
        return {"quality": f"no such quality for {', '.join(models)}"}
    refused = {model: not_taken(model, options) for model in models}
    if not all(refused.values()):
        return {}
    return {"": "no model takes them: " + "; ".join(f"{model} does not take {why}" for model, why in refused.items())}


def _values(model: str) -> _Values:
    return next(values for pattern, values in _MODELS if re.fullmatch(pattern, model))


def _is_among(values: _Values, name: str, value: str | int) -> bool:
    known = values.get(name, ())
    return known is None or value in known
