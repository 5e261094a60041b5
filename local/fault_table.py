"""Tries every fault of the provider, for the table in docs/bought-once.md.

The stand-in has the fault for the whole first call, and works again for a retry under the same idempotency key. Only a
URL that it returned keeps its fault.
"""

import time
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from typing import NamedTuple

from generate_image.errors import GenerateImageError
from generate_image.functions import generate_image
from generate_image.functions._runtime import MARGIN_SECONDS, with_boundary
from local.account import CREDENTIALS_ID, Account, local_account
from local.functions import environment
from local.lambda_context import Function, LocalContext
from local.openai_stand_in import CATALOGUE, Fault, StandIn

STORING_SECONDS = 1.0
SHORT_SECONDS, LONG_SECONDS = 1.0, 60.0
SLOW = "delay"
"""The fault that must last longer than the call."""


class Row(NamedTuple):
    """The effect of a fault. The counts are the provider's, in total."""

    requests: str
    billed: str
    first_response: str
    retry_response: str
    requests_after_retry: str
    billed_after_retry: str


HEADINGS = ("Fault", "Requests", "Billed", "The caller gets", "A retry gets", "Requests", "Billed")


def fault_table() -> str:
    """Return a Markdown table. Faults with the same effect share a line."""
    grouped: dict[Row, list[str]] = {}
    with local_account() as account, StandIn() as stand_in, redirect_stdout(StringIO()):
        account.create_secret({"apiKey": stand_in.api_key})
        for name, row in _rows(_function(account, stand_in), stand_in):
            grouped.setdefault(row, []).append(f"`{name}`")
    lines = [HEADINGS, ("---",) * len(HEADINGS)]
    lines += [(", ".join(names), *row) for row, names in sorted(grouped.items(), key=lambda group: group[0][2])]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _function(account: Account, stand_in: StandIn) -> Function:
    settings = account.settings | {"OPENAI_BASE_URL": stand_in.base_url}
    made = environment(account, settings, StringIO(), sleep=lambda _: None)
    serve = generate_image.build(made, storing_seconds=STORING_SECONDS, shortest_purchase_seconds=0.1)
    return with_boundary(serve, made)


def _rows(function: Function, stand_in: StandIn) -> Iterator[tuple[str, Row]]:
    for name, fault in CATALOGUE.items():
        seconds, delay = (SHORT_SECONDS, 2 * SHORT_SECONDS) if name == SLOW else (LONG_SECONDS, None)
        stand_in.reset()
        stand_in.script(name, times=None, delay=delay)
        first = _response(function, name, seconds)
        counts = _counts(stand_in, fault)
        stand_in.forget_script()
        retry = _response(function, name, seconds)
        yield name, Row(*counts, first, retry, *_counts(stand_in, fault))


def _response(function: Function, key: str, seconds: float) -> str:
    """Call the function, with so many seconds for the purchase, and return its response in a word."""
    event = {"client_id": 1, "config": {"credentials_id": CREDENTIALS_ID, "prompt": key}, "idempotency_key": key}
    try:
        function(event, LocalContext(seconds + MARGIN_SECONDS + STORING_SECONDS))
    except GenerateImageError as error:
        return f"`{error.code}`"
    return "the picture"


def _counts(stand_in: StandIn, fault: Fault) -> tuple[str, str]:
    """Return the requests and the bills. A bill may come after the caller's timeout."""
    until = time.monotonic() + 10
    while fault.bills and not stand_in.ledger()["billed"] and time.monotonic() < until:
        time.sleep(0.05)
    ledger = stand_in.ledger()
    return str(ledger["requests"]), str(ledger["billed"])
