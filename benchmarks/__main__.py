"""`python -m benchmarks`: measure, and write results.json and docs/performance.md.

`--rounds 3 --requests 200` is quick and says little; `--only cold_start,warm` keeps the other figures as they were;
`--report` measures nothing and writes the page again.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import report
from benchmarks.artifacts import ROOT, python313
from benchmarks.measures import billing, calls, cold_start, losses, memory, size, warm
from benchmarks.services import services

if TYPE_CHECKING:
    from collections.abc import Callable

RESULTS = ROOT / "benchmarks" / "results.json"


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--rounds", type=int, default=15, help="of interleaved runs")
    parser.add_argument("--requests", type=int, default=losses.REQUESTS, help="among which pictures may get lost")
    parser.add_argument("--only", default="", metavar="FIGURES", help="separated by commas")
    parser.add_argument("--report", action="store_true", help="only write the page again")
    options = parser.parse_args()
    results: dict[str, Any] = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    if not options.report:
        _measure(results, options)
        RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", "utf-8")
    report.write(results)


def _measure(results: dict[str, Any], options: argparse.Namespace) -> None:
    with services() as world:
        measures: dict[str, Callable[[], Any]] = {
            "size": size.measure,
            "cold_start": lambda: cold_start.measure(world, options.rounds),
            "warm": lambda: warm.measure(world, options.rounds),
            "memory": lambda: memory.measure(world, options.rounds),
            "calls": lambda: calls.measure(world),
            "losses": lambda: losses.measure(world, options.requests),
        }
        only = options.only.split(",") if options.only else list(measures)
        for name in only:
            began = time.monotonic()
            results[name] = measures[name]()
            RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", "utf-8")
            print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    results["billing"] = billing.measure(results["cold_start"], results["warm"], results["memory"])
    results["machine"] = _machine() | {"rounds": options.rounds}


def _machine() -> dict[str, Any]:
    cpu = [line for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines() if line.startswith("model name")]
    python = subprocess.run([python313(), "--version"], check=True, capture_output=True, text=True).stdout.split()[1]
    return {
        "cpu": cpu[0].partition(":")[2].strip() if cpu else platform.machine(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": python,
        "date": time.strftime("%Y-%m-%d"),
    }


if __name__ == "__main__":
    main()
