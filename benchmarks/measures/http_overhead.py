"""HTTP overhead: `POST` until the picture, minus the direct call, at the same provider latency.

Both run in this process, with the state machine in moto. The time of API Gateway and Step Functions on AWS is not part
of the figure. The latencies are spread over a second, because the API function looks at S3 at intervals.
"""

import io
import time
from contextlib import redirect_stdout
from typing import Any

import requests

from benchmarks.environment import event, quartiles
from benchmarks.services import services
from generate_image.functions import generate_image
from local.functions import ConcurrentFunction, environment
from local.http_api import http_api
from local.lambda_context import LocalContext
from local.web_server import web_server

LATENCY_SECONDS = 4.0
WARM_UP = 2


def measure(rounds: int) -> dict[str, Any]:
    """Return the quartiles in milliseconds."""
    log = io.StringIO()
    with services() as running, redirect_stdout(log):  # the functions write metrics to standard output
        running.reset()
        settings = dict(running.environ)
        generate = ConcurrentFunction(generate_image.build, lambda: environment(running.account, settings, log))
        api = http_api(running.account, settings, log, sleep=time.sleep, buys=generate)
        with api as gateway, web_server(gateway) as url:
            overheads = []
            for number in range(WARM_UP + rounds):
                running.stand_in.latency = LATENCY_SECONDS + (number - WARM_UP) / rounds if number >= WARM_UP else 0
                direct = _seconds(lambda: generate(event(f"direct {number}"), LocalContext()))  # noqa: B023
                posted = _seconds(lambda: _post(url, f"posted {number}"))  # noqa: B023
                overheads.append((posted - direct) * 1000)
    return {"overhead_ms": quartiles(overheads[WARM_UP:], 0), "latency_seconds": LATENCY_SECONDS}


def _seconds(call: Any) -> float:  # noqa: ANN401  # a function without arguments
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _post(url: str, key: str) -> None:
    response = requests.post(
        f"{url}/clients/1/images",
        json={"config": event(key)["config"]},
        headers={"Idempotency-Key": key, "Prefer": "wait=25"},
        timeout=60,
    )
    if response.status_code != requests.codes.ok:
        raise RuntimeError(response.text)
