"""An execution environment that tells what it took: time, CPU time, memory."""

import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import requests

from benchmarks.artifacts import ROOT, Artifact
from benchmarks.services import Services
from tests.artifact.emulator import Emulator

PYTHON = ROOT / ".venv-runtime-client" / "bin" / "python"
INIT_REPORT = re.compile(r"INIT REPORT\(durationMs: ([\d.]+)\)")
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


class Environment(Emulator):
    """An emulator around a runtime that is measured from outside."""

    def invoke(self, event: object, *, answer_bytes: int | None = None) -> dict[str, Any]:
        """Return the function's answer, or its error; one of the emulator's own, such as a time-out, is plain text."""
        try:
            return super().invoke(event, answer_bytes=answer_bytes)
        except requests.JSONDecodeError as error:
            return {"errorType": "Lambda.Unknown", "errorMessage": error.doc}

    def timed(self, event: object) -> tuple[dict[str, Any], float]:
        """Return the function's answer and the seconds until it came."""
        began = time.perf_counter()
        answer = self.invoke(event)
        return answer, time.perf_counter() - began

    @property
    def init_seconds(self) -> float:
        """What starting the runtime and importing the function took, as the emulator reports it."""
        found = INIT_REPORT.search(self.log)
        if found is None:
            raise RuntimeError(f"The runtime did not start: {self.log}")
        return float(found[1]) / 1000

    @property
    def peak_bytes(self) -> int:
        """The most memory that the runtime ever had resident."""
        status = self._of_runtime("status")
        return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) * 1024

    @property
    def cpu_seconds(self) -> float:
        """The CPU time that the runtime has used, user and system."""
        fields = self._of_runtime("stat").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS  # proc(5): utime and stime

    def _of_runtime(self, name: str) -> str:
        tasks = Path(f"/proc/{self._process.pid}/task").glob("*/children")
        [runtime] = " ".join(path.read_text("ascii") for path in tasks).split()
        return Path(f"/proc/{runtime}/{name}").read_text("ascii")


@contextmanager
def environment(
    artifact: Artifact, services: Services, environ: Mapping[str, str] | None = None, *, seconds: int = 60
) -> Iterator[Environment]:
    """Run an artifact in the world of ``services``. seconds: the function's time-out."""
    variables = {
        **services.environ,
        "PYTHONDONTWRITEBYTECODE": "1",  # /var/task is read-only: what ships without bytecode never gets any
        **(environ or {}),
    }
    with TemporaryDirectory() as directory:
        log = Path(directory) / "log"
        with Environment(
            artifact.directory, PYTHON, handler=artifact.handler, environ=variables, seconds=seconds, log=log
        ) as running:
            yield running


def event(prompt: str, **fields: object) -> dict[str, Any]:
    """Return an event that every artifact understands."""
    return {"client_id": 1, "config": {"credentials_id": "credencial-openai", "prompt": prompt}, **fields}
