"""The estimated price of a picture, before it is bought."""

from generate_image.picture import Usage
from generate_image.provider.models import cost_usd, quality_of
from generate_image.settings import Settings
from local.openai_stand_in.parameters import MODELS

SIDE = 1024
"""Pixels: the size that the module requests."""


def picture_usd(settings: Settings) -> float | None:
    """Return the price of a picture of the first model in USD, without its prompt; None if it is not known."""
    model = settings.image_models[0]
    known = MODELS.get(model)
    quality = quality_of(model, settings.image_quality)
    if known is None or quality not in known.qualities:
        return cost_usd(model, None)
    tokens = known.output_tokens(SIDE, SIDE, quality)
    return cost_usd(model, Usage(0, tokens, tokens))


def estimate(items: int, settings: Settings) -> str:
    """Return a line about the price of a batch."""
    price = picture_usd(settings)
    if price is None:
        return f"Estimate: {items} pictures of {settings.image_models[0]}, whose price is not known."
    return (
        f"Estimate: at most {items} pictures of {settings.image_models[0]} ({settings.image_quality}) at some "
        f"{price:.4f} USD, together {items * price:.2f} USD. A fallback model can cost more."
    )
