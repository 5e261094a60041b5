"""What is known of the models before any of them is asked."""

import re

_NOTHING_ABOVE_HIGH = re.compile(r"gpt-image-1\b.*|chatgpt-image-latest|gpt-image-2(-.*)?")


def is_dall_e(model: str) -> bool:
    """Tell whether a model is spoken to as dall-e-3 was, and as hosts that are compatible with it still are."""
    return model.startswith("dall-e")


def longest_prompt(model: str) -> int:
    """Return how many characters of prompt a model takes."""
    return 4_000 if is_dall_e(model) else 32_000


def quality_of(model: str, quality: str) -> str:
    """Return the quality to ask a model for: those up to gpt-image-2 refuse ``xhigh`` and ``max``."""
    return "high" if quality in {"xhigh", "max"} and _NOTHING_ABOVE_HIGH.fullmatch(model) else quality
