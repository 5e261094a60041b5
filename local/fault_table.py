"""`python -m local.fault_table`: what each fault of the provider leads to, tried out, as a Markdown table.

The stand-in fails in one way for as long as a call lasts, and is well again when the caller asks a second time under
the same idempotency key; only a URL that it gave stays as bad as it was. docs/bought-once.md keeps the table.
"""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from typing import IO

from generate_image.errors import GenerateImageError
from generate_image.handler import AWS_CONFIG, MARGIN_SECONDS, Handler, told
from generate_image.settings import Settings
from generate_image.telemetry import Telemetry
from local.account import CREDENTIALS_ID, Account, local_account
from local.lambda_context import LocalContext
from local.openai_stand_in import StandIn
from local.openai_stand_in.fault import Fault, Route
from local.openai_stand_in.faults import CATALOGUE
from local.openai_stand_in.script import Script

STORING_SECONDS = 1.0
SHORT_SECONDS, LONG_SECONDS = 1.0, 60.0
SLOW: Mapping[str, Mapping[str, float]] = {
    "delay": {"delay": 2 * SHORT_SECONDS},
    "body_drips": {"pause": 2 * SHORT_SECONDS},
    "headers_drip": {"pause": 2 * SHORT_SECONDS},
    "url_drips": {"pause": 2 * SHORT_SECONDS},
}
"""Faults that last longer than the time that a call has; the others end when they end."""
HEADINGS = ("Fault", "Requests", "Billed", "The caller is told", "Asked again", "Requests", "Billed")

Row = tuple[str, ...]


def main() -> None:
    """Print the table."""
    with local_account() as account, StandIn() as stand_in, open(os.devnull, "w") as nowhere:  # noqa: PTH123  # no file
        account.create_secret({"apiKey": stand_in.api_key})
        with redirect_stdout(nowhere):  # where the metrics go
            rows = list(_rows(_handler(account, stand_in, nowhere), stand_in, nowhere))
    print(table(rows))


def table(rows: list[tuple[str, Row]]) -> str:
    """Return a Markdown table with one line for all faults that lead to the same."""
    grouped: dict[Row, list[str]] = {}
    for name, row in rows:
        grouped.setdefault(row, []).append(f"`{name}`")
    lines = [HEADINGS, ("---",) * len(HEADINGS)]
    lines += [(", ".join(names), *row) for row, names in sorted(grouped.items(), key=lambda group: group[0][2])]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _handler(account: Account, stand_in: StandIn, log: IO[str]) -> Handler:
    session = account.session()
    return Handler(
        Settings.from_mapping(account.settings | {"OPENAI_BASE_URL": stand_in.base_url}),
        session.client("s3", endpoint_url=account.endpoint, config=AWS_CONFIG),
        session.client("secretsmanager", endpoint_url=account.endpoint, config=AWS_CONFIG),
        Telemetry(log),
        sleep=lambda _: None,
        storing_seconds=STORING_SECONDS,
        shortest_purchase_seconds=0.1,
    )


def _rows(handler: Handler, stand_in: StandIn, log: IO[str]) -> Iterator[tuple[str, Row]]:
    for name, fault in CATALOGUE.items():
        if fault.route is not Route.GENERATIONS:
            continue
        stand_in.reset()
        stand_in.script({"fault": name, "times": "always", **SLOW.get(name, {})})
        first = _outcome(handler, name, SHORT_SECONDS if name in SLOW else LONG_SECONDS, log)
        counts = _counts(stand_in, fault)
        stand_in.faults = Script()
        again = _outcome(handler, name, SHORT_SECONDS if name in SLOW else LONG_SECONDS, log)
        yield name, (*counts, first, again, *_counts(stand_in, fault))


def _outcome(handler: Handler, key: str, seconds: float, log: IO[str]) -> str:
    """Make a call that has so many seconds to buy; return what came of it."""
    event = {"client_id": 1, "config": {"credentials_id": CREDENTIALS_ID, "prompt": key}, "idempotency_key": key}
    context = LocalContext(seconds + MARGIN_SECONDS + STORING_SECONDS)
    try:
        told(Telemetry(log), context, lambda: handler.serve(event, context))
    except GenerateImageError as error:
        return f"`{error.code}`"
    return "the picture"


def _counts(stand_in: StandIn, fault: Fault) -> tuple[str, str]:
    """Return how many requests were counted and billed: also those that are billed though nobody waits any more."""
    until = time.monotonic() + 10
    while fault.bills and not stand_in.ledger()["billed"] and time.monotonic() < until:
        time.sleep(0.05)
    ledger = stand_in.ledger()
    return str(ledger["requests"]), str(ledger["billed"])


if __name__ == "__main__":
    main()
