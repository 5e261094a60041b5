"""`python -m benchmarks`: measure, and write results.json and the figures in docs/performance.md.

`--only memory` measures one family and keeps the others; `--rounds 3` is quick and less exact.
"""

import argparse
import json
import os
import platform
import re
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.artifacts import ROOT, build, python313_version
from benchmarks.measures import cold_start, http_overhead, memory, purchases, size
from benchmarks.services import services

RESULTS = ROOT / "benchmarks/results.json"
PINS = re.compile(r"^(boto3|botocore|requests|aws-lambda-powertools|openai)==(\S+)", re.MULTILINE)


def main() -> None:
    """Measure the families that the arguments name."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--rounds", type=int, default=15, help="of interleaved runs")
    parser.add_argument("--only", default="", metavar="FAMILIES", help="separated by commas")
    options = parser.parse_args()
    results: dict[str, Any] = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    build()
    with services() as running:
        measures: Mapping[str, Callable[[], Any]] = {
            "size": size.measure,
            "cold_start": lambda: cold_start.measure(running, options.rounds),
            "memory": lambda: memory.measure(running, options.rounds),
            "purchases": lambda: purchases.measure(running),
            "http_overhead": lambda: http_overhead.measure(options.rounds),
        }
        for name in options.only.split(",") if options.only else measures:
            started = time.monotonic()
            results[name] = measures[name]()
            print(f"{name}: {time.monotonic() - started:.0f} s", file=sys.stderr)
    results["machine"] = _machine() | {"rounds": options.rounds}
    RESULTS.write_text(_json(results), "utf-8")
    report.write(results)


def _machine() -> dict[str, Any]:
    cpu = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text("utf-8"), re.MULTILINE)
    locks = (ROOT / "src/requirements.txt", ROOT / "benchmarks/comparators/openai_sdk/requirements.txt")
    return {
        "cpu": cpu[1] if cpu else platform.machine(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": python313_version(),
        "date": time.strftime("%Y-%m-%d"),
        "versions": dict(pin for lock in locks for pin in PINS.findall(lock.read_text("utf-8"))),
    }


def _json(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Return JSON with one line for each figure, so that a diff shows the changed figures."""
    families = [
        f" {json.dumps(name)}: {{\n"
        + ",\n".join(f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in family.items())
        + "\n }"
        for name, family in results.items()
    ]
    return "{\n" + ",\n".join(families) + "\n}\n"


if __name__ == "__main__":
    main()
