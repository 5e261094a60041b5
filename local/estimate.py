"""The estimated price of a batch, before it is bought."""

from generate_image.options import quality_of
from generate_image.settings import Settings
from local.openai_stand_in.parameters import MODELS

SIDE = 1024
"""Pixels: the size that the module requests."""


def estimate(items: int, settings: Settings) -> str:
    """Return a line about the price of so many pictures, without their prompts."""
    model = settings.image_models[0]
    known, quality = MODELS.get(model), quality_of(model, settings.image_quality)
    if known is None or not (known.is_dall_e or quality in known.qualities):
        return f"Estimate: {items} pictures of {model}, whose price is not known."
    price = known.microdollars(0, known.output_tokens(SIDE, SIDE, quality)) / 1_000_000
    return (
        f"Estimate: at most {items} pictures of {model} ({quality}) at some {price:.4f} USD, "
        f"together {items * price:.2f} USD. A fallback model can cost more."
    )
