"""An execution environment that measures its start, CPU time and memory from outside."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.artifacts import ROOT, Artifact
from benchmarks.services import CREDENTIALS_ID, Services
from local.emulator import Emulator

PYTHON = ROOT / ".venv-runtime-client/bin/python"
INIT_REPORT = re.compile(r"INIT REPORT\(durationMs: ([\d.]+)\)")
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


class MeasuredEnvironment(Emulator):
    """An emulator that reports about its runtime process."""

    def picture(self, prompt: str) -> dict[str, Any]:
        """Return the answer for a prompt. Raises RuntimeError for an error."""
        answer = self.invoke(event(prompt))
        if "data" not in answer:
            raise RuntimeError(f"{answer}\n{self.log}")
        return answer

    @property
    def init_seconds(self) -> float:
        """The start of the runtime and the import of the function, as the emulator reports it."""
        found = INIT_REPORT.search(self.log)
        if found is None:
            raise RuntimeError(f"The runtime did not start: {self.log}")
        return float(found[1]) / 1000

    @property
    def cpu_seconds(self) -> float:
        """The CPU time of the runtime, user and system."""
        fields = self.proc("stat").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS  # proc(5): utime and stime


@contextmanager
def environment(
    artifact: Artifact, services: Services, environ: Mapping[str, str] | None = None, *, seconds: int = 60
) -> Iterator[MeasuredEnvironment]:
    """Run an artifact. environ: more environment variables. seconds: the function's timeout."""
    variables = {
        **services.environ,
        "PYTHONDONTWRITEBYTECODE": "1",  # /var/task is read-only, so a module without bytecode never gets any
        **(environ or {}),
    }
    with TemporaryDirectory() as directory:
        log = Path(directory) / "log"
        with MeasuredEnvironment(
            artifact.directory, PYTHON, handler=artifact.handler, environ=variables, seconds=seconds, log=log
        ) as running:
            yield running


def event(prompt: str) -> dict[str, Any]:
    """Return an event that every artifact understands."""
    return {"client_id": 1, "config": {"credentials_id": CREDENTIALS_ID, "prompt": prompt}}


def quartiles(values: list[float], digits: int = 3) -> list[float]:
    """Return the lower quartile, the median and the upper quartile."""
    return [round(value, digits) for value in quantiles(values, n=4, method="inclusive")]
