"""`python -m tests.bought_once.run_schedules base64|url [CPU]`: run every schedule of a dialect, print the report."""

import json
import os
import sys

from tests.bought_once.provider import CountingProvider
from tests.bought_once.schedules import check


def main(dialect: str, cpu: str = "") -> None:
    """Print the report as JSON. cpu: the one to stay on, where the system lets a process choose.

    A schedule is a hundred hand-overs between two threads, which are several times as fast on one processor.
    """
    if cpu and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {int(cpu)})
    with CountingProvider() as provider:
        report = check(provider, by_url=dialect == "url")
    print(json.dumps(vars(report)))  # noqa: T201  # it is what the command is for


if __name__ == "__main__":
    main(*sys.argv[1:])
