"""How often the provider is asked, and paid, for one request that meets a fault at every turn."""

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from benchmarks.artifacts import LANGCHAIN, LITELLM, OPENAI, OURS, Artifact
from benchmarks.environment import environment, event
from benchmarks.services import MODEL_BY_URL, Services
from local.openai_stand_in.ledger import prompt_key

FAULTS: Mapping[str, Mapping[str, Any]] = {
    "500": {"fault": "server_error"},
    "connection dropped once billed": {"fault": "closed_after_billing"},
    "time-out": {"fault": "delay", "delay": 16},
    "429, quota used up": {"fault": "insufficient_quota"},
    "200 without a picture": {"fault": "data_empty"},
}
PROVIDER_TIMEOUT_SECONDS = 3
"""Of the libraries, whose own is 600 s; ours comes from the function's time-out."""
FUNCTION_SECONDS = 36
ARTIFACTS = (OURS, OPENAI, LITELLM, LANGCHAIN)


def measure(services: Services) -> list[dict[str, Any]]:
    """Return requests, pictures billed and the error's name for each fault and artifact."""
    rows = []
    for name, fault in FAULTS.items():
        services.reset()
        services.fail_provider([{**fault, "times": "always"}])
        with ThreadPoolExecutor() as pool:
            errors = list(pool.map(partial(_invoke, services), ARTIFACTS))
        time.sleep(fault.get("delay", 0))  # a late picture is billed though nobody waits for it
        by_prompt = services.ledger()["by_prompt"]
        for artifact, error in zip(ARTIFACTS, errors, strict=True):
            counts = by_prompt.get(prompt_key(artifact.name), {"requests": 0, "billed": 0})
            rows.append({"fault": name, "artifact": artifact.name, "error": error, **counts})
    return rows


def _invoke(services: Services, artifact: Artifact) -> str | None:
    environ = {"PROVIDER_TIMEOUT_SECONDS": str(PROVIDER_TIMEOUT_SECONDS)}
    if artifact is LANGCHAIN:
        environ["IMAGE_MODELS"] = MODEL_BY_URL
    with environment(artifact, services, environ, seconds=FUNCTION_SECONDS) as fresh:
        return fresh.invoke(event(artifact.name)).get("errorType")
