"""`python -m tests.proof.run_schedules base64|url`: run every schedule of a dialect and print the report as JSON."""

import json
import sys

from tests.proof.provider import CountingProvider
from tests.proof.schedules import check


def main(dialect: str) -> None:
    """Print the report."""
    with CountingProvider() as provider:
        report = check(provider, by_url=dialect == "url")
    print(json.dumps(vars(report)))  # noqa: T201  # the output of the command


if __name__ == "__main__":
    main(*sys.argv[1:])
