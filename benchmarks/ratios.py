"""Medians, and ratios of medians with how sure they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from statistics import median, quantiles

RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Ratio:
    """low, high: between them lie 95 of 100 ratios of runs drawn anew (bootstrap)."""

    value: float
    low: float
    high: float


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the lower quartile, the median and the upper quartile."""
    low, middle, high = quantiles(values, n=4, method="inclusive") if len(values) > 1 else [*values] * 3
    return low, middle, high


def ratio_of_medians(values: Sequence[float], others: Sequence[float]) -> Ratio:
    """Return how the medians of two series relate."""
    random = Random(0)
    resampled = sorted(
        median(random.choices(values, k=len(values))) / median(random.choices(others, k=len(others)))
        for _ in range(RESAMPLES)
    )
    edge = RESAMPLES // 40
    return Ratio(median(values) / median(others), resampled[edge], resampled[-edge - 1])
