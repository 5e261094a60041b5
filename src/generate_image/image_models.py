"""What is known of the models before any of them is asked."""


def is_dall_e(model: str) -> bool:
    """Tell whether a model is spoken to as dall-e-3 was, and as hosts that are compatible with it still are."""
    return model.startswith("dall-e")


def longest_prompt(model: str) -> int:
    """Return how many characters of prompt a model takes."""
    return 4_000 if is_dall_e(model) else 32_000
