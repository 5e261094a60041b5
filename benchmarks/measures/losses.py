"""Pictures lost and bought twice: two thousand requests, twenty at a time, while provider and S3 fail now and then.

One request in twenty meets a fault of the provider's at its first attempt, each kind as often as the other. One key in
twenty is refused by S3 for its first six writes: more than boto3 tries by itself. Callers retry as they usually do:
ours on the errors that say that it helps, as a state machine would, the others on whatever goes wrong. When all is
quiet again, each request that ended in an error is made once more where that is safe, which it is with ours alone.
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from queue import Queue

from benchmarks.artifacts import LITELLM, OPENAI, OURS, Artifact
from benchmarks.environment import Environment, environment, event
from benchmarks.services import MODEL, Services
from generate_image.errors import BY_CODE
from local.account import BUCKET
from local.openai_stand_in.ledger import prompt_key

REQUESTS = 2000
AT_A_TIME = 20
STARTS_AT_A_TIME = 2
"""Twenty starts at once would outlast the function's time-out."""
ONE_IN = 20
S3_REFUSALS = 6
CALLER_RETRIES = 3
CALLER_WAITS_SECONDS = 0.5
ARTIFACTS = (OURS, OPENAI, LITELLM)
WARM_UP = "a picture before the others"

KEPT_BY_PROVIDER = ("closed_after_billing", "body_truncated", "gateway_504", "data_empty")
"""Billed, and the picture never left the provider: nobody can have it."""
NOT_BILLED = ("server_error", "server_is_overloaded", "rate_limit_retry_after_ms", "closed_before_billing")
FAULTS = KEPT_BY_PROVIDER + NOT_BILLED


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a request. key: where its picture is. error: the name that the caller saw at last."""

    prompt: str
    fault: str | None
    key: str | None
    error: str | None


def measure(services: Services, requests: int) -> dict[str, dict[str, int]]:
    """Return the counts by artifact."""
    return {artifact.name: _run(artifact, services, requests) for artifact in ARTIFACTS}


def prompts(requests: int) -> Iterator[tuple[str, str | None]]:
    """Give each request's prompt and the fault that it meets, if any."""
    for number in range(requests):
        fault = FAULTS[number // ONE_IN % len(FAULTS)] if number % ONE_IN == 0 else None
        yield f"picture number {number}.", fault


def _run(artifact: Artifact, services: Services, requests: int) -> dict[str, int]:
    services.reset()
    planned = list(prompts(requests))
    rules = [{"fault": fault, "match": {"prompt_contains": prompt}} for prompt, fault in planned if fault]
    services.fail_provider(rules)
    free: Queue[Environment] = Queue()
    with ExitStack() as stack, ThreadPoolExecutor(AT_A_TIME) as pool:
        for _ in range(AT_A_TIME):
            # One model: a fault of the first would else be told from a missing model's.
            free.put(stack.enter_context(environment(artifact, services, {"IMAGE_MODELS": MODEL})))
        with ThreadPoolExecutor(STARTS_AT_A_TIME) as starts:
            list(starts.map(lambda running: running.invoke(event(WARM_UP)), list(free.queue)))
        services.fail_s3(rate=1 / ONE_IN, requests_each=S3_REFUSALS)
        outcomes = list(pool.map(lambda planned: _ask(artifact, free, *planned), planned))
        services.fail_s3(rate=0, requests_each=0)
        if artifact is OURS:
            outcomes = list(pool.map(lambda outcome: _ask_again(artifact, free, outcome), outcomes))
    return count(outcomes, services.ledger()["by_prompt"], services.keys())


def _ask_again(artifact: Artifact, free: "Queue[Environment]", outcome: Outcome) -> Outcome:
    return _ask(artifact, free, outcome.prompt, outcome.fault) if outcome.error else outcome


def _ask(artifact: Artifact, free: "Queue[Environment]", prompt: str, fault: str | None) -> Outcome:
    """Make one request as its caller would."""
    error: str | None = None
    for attempt in range(1 + CALLER_RETRIES):
        if attempt:
            time.sleep(CALLER_WAITS_SECONDS * attempt)
        running = free.get()
        try:
            answer = running.invoke(event(prompt, idempotency_key=prompt))
        finally:
            free.put(running)
        if "data" in answer:
            return Outcome(prompt, fault, answer["data"]["localPath"].removeprefix(f"s3://{BUCKET}/"), None)
        error = str(answer.get("errorType"))
        if artifact is OURS and not (error in BY_CODE and BY_CODE[error].retryable):
            break
    return Outcome(prompt, fault, None, error)


def count(outcomes: list[Outcome], by_prompt: Mapping[str, Mapping[str, int]], keys: set[str]) -> dict[str, int]:
    """Return what became of the requests.

    by_prompt: requests and billed pictures by ``prompt_key``. keys: what is in the bucket.
    """
    counts = Counter({"requests": len(outcomes)})
    for outcome in outcomes:
        billed = by_prompt.get(prompt_key(outcome.prompt), {}).get("billed", 0)
        obtainable = outcome.key in keys
        counts["billed"] += billed
        counts["obtainable"] += obtainable
        counts["bought_twice"] += billed > 1
        counts["named_error"] += outcome.error in BY_CODE
        counts["foreign_error"] += outcome.error is not None and outcome.error not in BY_CODE
        if billed and not obtainable:
            counts["kept_by_provider" if outcome.fault in KEPT_BY_PROVIDER else "lost"] += 1
        if obtainable and billed > 1:
            counts["paid_for_nothing"] += billed - 1
    names = ("requests", "billed", "obtainable", "bought_twice", "paid_for_nothing", "lost", "kept_by_provider")
    return {name: counts[name] for name in (*names, "named_error", "foreign_error")}
