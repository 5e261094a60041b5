"""Warm answers: what the record, the checks and the log add to the floor, and which requests to S3."""

import json
import os
import subprocess
from contextlib import ExitStack
from typing import Any

from benchmarks.artifacts import FLOOR, OPENAI, OURS, ROOT
from benchmarks.environment import PYTHON, Environment, environment, event
from benchmarks.measures.cold_start import PICTURE_BYTES
from benchmarks.services import Services

ARTIFACTS = (OURS, FLOOR, OPENAI)
INVOCATIONS = 6
"""In a row, of each artifact, in each round."""


def measure(services: Services, rounds: int) -> dict[str, Any]:
    """Return seconds, CPU seconds and requests to S3 of warm invocations, and the milliseconds of each step of ours."""
    services.reset(picture_bytes=PICTURE_BYTES)
    result: dict[str, Any] = {}
    with ExitStack() as stack:
        running = {artifact.name: stack.enter_context(environment(artifact, services)) for artifact in ARTIFACTS}
        for name, warm in running.items():
            for _ in range(3):
                _invoke(warm)
            result[name] = {"seconds": [], "s3_requests": _s3_requests(warm, services)}
            result[name]["cpu_seconds_before"] = warm.cpu_seconds
        for _ in range(rounds):
            for name, warm in running.items():
                result[name]["seconds"] += [_invoke(warm) for _ in range(INVOCATIONS)]
        for name, warm in running.items():
            used = warm.cpu_seconds - result[name].pop("cpu_seconds_before")
            result[name]["cpu_seconds_each"] = used / (rounds * INVOCATIONS)
    result["steps_ms"] = _steps(services, rounds * INVOCATIONS)
    return result


def _invoke(warm: Environment) -> float:
    answer, seconds = warm.timed(event("a picture"))
    if "data" not in answer:
        raise RuntimeError(f"no picture: {answer}")
    return seconds


def _s3_requests(warm: Environment, services: Services) -> dict[str, int]:
    services.fail_s3(rate=0, requests_each=0)
    _invoke(warm)
    return services.s3_requests()


def _steps(services: Services, invocations: int) -> dict[str, list[float]]:
    """Run ours in a process that times its steps."""
    environ = os.environ | services.environ | {"PYTHONPATH": f"{OURS.directory}", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [str(PYTHON), str(ROOT / "benchmarks" / "steps.py"), str(invocations)]
    ran = subprocess.run(command, env=environ, check=True, stdout=subprocess.PIPE, text=True)
    steps: dict[str, list[float]] = json.loads(ran.stdout.splitlines()[-1])
    return steps
