"""Requests and purchases of one invocation when each request meets the same fault."""

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.artifacts import OPENAI, OURS, Artifact
from benchmarks.environment import environment, event
from benchmarks.services import Services
from local.openai_stand_in.state import prompt_key

FAULTS: Mapping[str, Mapping[str, Any]] = {
    "error 500": {"fault": "server_error"},
    "connection closed after billing": {"fault": "closed_after_billing"},
    "no response in time": {"fault": "delay", "delay": 16},
    "429, quota exhausted": {"fault": "insufficient_quota"},
    "200 without a picture": {"fault": "data_empty"},
}
SDK_TIMEOUT_SECONDS = 3
"""In place of the SDK's 600 s. Ours follows from the function's timeout."""
FUNCTION_SECONDS = 36
ARTIFACTS = (OURS, OPENAI)


def measure(services: Services) -> dict[str, dict[str, list[Any]]]:
    """Return requests, billed pictures and the error's name, by fault and artifact."""
    return {name: _run(services, fault) for name, fault in FAULTS.items()}


def _run(services: Services, fault: Mapping[str, Any]) -> dict[str, list[Any]]:
    services.reset()
    services.stand_in.script({**fault, "times": "always"})
    with ThreadPoolExecutor() as pool:
        errors = list(pool.map(lambda artifact: _error(services, artifact), ARTIFACTS))
    time.sleep(fault.get("delay", 0))  # the stand-in bills a late picture too
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
