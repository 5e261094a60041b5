"""Amounts of money: integers, in millionths of a US dollar. Sums of floats would lose cents."""

import re
from typing import NewType

MicroUsd = NewType("MicroUsd", int)
"""Millionths of a US dollar."""

NOTHING = MicroUsd(0)


def parse_usd(text: str) -> MicroUsd:
    """Return an amount that is written in dollars, such as ``12.50``. Raises ValueError."""
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", text, re.ASCII):
        raise ValueError("an amount in US dollars such as 25 or 12.50, with at most six decimals")
    dollars, _, fraction = text.partition(".")
    return MicroUsd(int(dollars + fraction.ljust(6, "0")))


def to_usd(amount: MicroUsd) -> float:
    """Return the amount in dollars, for JSON."""
    return amount / 1_000_000
