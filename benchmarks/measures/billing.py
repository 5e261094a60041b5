"""What an invocation costs at each memory size: a model, from the CPU time that was measured.

Lambda gives CPU in proportion to memory, a whole one at 1,769 MB, and bills memory times duration. An invocation lasts
as long as the provider draws, plus its CPU time stretched by its share; a cold one also its start, stretched likewise
(Lambda gives the start more, so that this is the worse case).
https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
"""

from statistics import median
from typing import Any

MEMORY_MB = (256, 512, 1024, 1769)
WHOLE_CPU_MB = 1769
PROVIDER_SECONDS = 10.0
"""What gpt-image-2.6-flare takes for a picture of 1024x1024, roughly: 8 to 12 s by public reports."""
FITTING = 0.5
"""The share of the memory that the peak may take: Lambda counts more than the runtime, and no two runs peak alike."""


def model(cold_cpu_seconds: float, warm_cpu_seconds: float, largest_peak_bytes: float) -> list[dict[str, Any]]:
    """Return duration in seconds and billed GB-seconds, cold and warm, at each memory size.

    largest_peak_bytes: with the largest picture that is taken.
    """
    rows = []
    for memory in MEMORY_MB:
        share = min(1.0, memory / WHOLE_CPU_MB)
        warm, cold = (PROVIDER_SECONDS + cpu / share for cpu in (warm_cpu_seconds, cold_cpu_seconds))
        rows.append({
            "memory_mb": memory,
            "warm_seconds": warm,
            "warm_gb_seconds": warm * memory / 1024,
            "cold_seconds": cold,
            "cold_gb_seconds": cold * memory / 1024,
            "largest_picture_fits": largest_peak_bytes <= FITTING * memory * 1024 * 1024,
        })  # fmt: skip
    return rows


def measure(cold_start: dict[str, Any], warm: dict[str, Any], memory: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the model for what the other measures found of ours."""
    largest = max(median(row["peaks"]) for row in memory if row["artifact"] == "ours")
    return model(median(cold_start["ours"]["cpu_seconds"]), warm["ours"]["cpu_seconds_each"], largest)
