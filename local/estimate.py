"""Prices before a purchase: the estimate of a batch, and the bound of the stand-in's pictures."""

from generate_image.money import MicroUsd, to_usd
from generate_image.options import quality_of
from generate_image.provider.models import discounted
from generate_image.settings import Settings
from local.openai_stand_in.parameters import MODELS

SIDE = 1024
"""Pixels: the size that the module requests."""


def estimate(items: int, settings: Settings, pricing: str = "standard") -> str:
    """Return a line about the price of so many pictures, without their prompts."""
    model = settings.image_models[0]
    known, quality = MODELS.get(model), quality_of(model, settings.image_quality)
    if known is None or not (known.is_dall_e or quality in known.qualities):
        return f"Estimate: {items} pictures of {model}, whose price is not known."
    price = discounted(MicroUsd(known.microdollars(0, known.output_tokens(SIDE, SIDE, quality))), pricing) / 1_000_000
    return (
        f"Estimate: at most {items} pictures of {model} ({quality}) at some {price:.4f} USD, "
        f"together {items * price:.2f} USD. A fallback model or the options of an item can cost more."
    )


def largest_stand_in_price(settings: Settings) -> str:
    """Return the dearest picture of the stand-in in US dollars, without its prompt, as MAX_PICTURE_USD takes it.

    A caller's option ``quality`` can cost more. It is settled above its reservation then.
    """
    prices = [
        MODELS[name].microdollars(0, MODELS[name].output_tokens(SIDE, SIDE, quality_of(name, settings.image_quality)))
        for name in settings.image_models
        if name in MODELS
    ]
    return f"{to_usd(MicroUsd(max(prices, default=settings.max_picture_usd))):.6f}"
