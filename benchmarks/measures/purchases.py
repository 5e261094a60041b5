"""Requests and purchases of one invocation when each request meets the same fault."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.artifacts import OPENAI, OURS, Artifact
from benchmarks.environment import environment, event
from benchmarks.services import Services
from local.openai_stand_in.state import prompt_key

FAULTS = {
    "error 500": ("server_error", 0),
    "connection closed after billing": ("closed_after_billing", 0),
    "no response in time": ("delay", 16),
    "429, quota exhausted": ("insufficient_quota", 0),
    "200 without a picture": ("data_empty", 0),
}
"""The stand-in's fault and its delay in seconds, by the name in the document."""
SDK_TIMEOUT_SECONDS = 3
"""In place of the SDK's 600 s. Ours follows from the function's timeout."""
FUNCTION_SECONDS = 36
ARTIFACTS = (OURS, OPENAI)


def measure(services: Services) -> dict[str, dict[str, list[Any]]]:
    """Return requests, billed pictures and the error's name, by fault and artifact."""
    return {name: _run(services, *fault) for name, fault in FAULTS.items()}


def _run(services: Services, fault: str, delay: float) -> dict[str, list[Any]]:
    services.reset()
    services.stand_in.script(fault, times=None, delay=delay)
    with ThreadPoolExecutor() as pool:
        errors = list(pool.map(lambda artifact: _error(services, artifact), ARTIFACTS))
    time.sleep(delay)  # the stand-in bills a late picture too
    by_prompt = services.stand_in.ledger()["by_prompt"]
    counts = [by_prompt[prompt_key(artifact.name)] for artifact in ARTIFACTS]
    return {
        artifact.name: [count["requests"], count["billed"], error]
        for artifact, count, error in zip(ARTIFACTS, counts, errors, strict=True)
    }


def _error(services: Services, artifact: Artifact) -> str | None:
    environ = {"PROVIDER_TIMEOUT_SECONDS": str(SDK_TIMEOUT_SECONDS)}
    with environment(artifact, services, environ, seconds=FUNCTION_SECONDS) as fresh:
        return fresh.invoke(event(artifact.name)).get("errorType")
