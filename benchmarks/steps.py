"""Ours in this process, step by step: `python benchmarks/steps.py INVOCATIONS`, with the artifact in PYTHONPATH.

The last line of standard output is `{"step": [milliseconds, …], …}`; "everything" is the whole invocation.
"""

import json
import sys
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from generate_image import handler, openai_images
from generate_image.claims import Claims
from generate_image.credentials import CredentialsStore
from generate_image.links import PresignedLinks
from generate_image.storage import PictureStore
from generate_image.telemetry import Telemetry

STEPS: dict[str, list[tuple[Any, str]]] = {
    "credentials": [(CredentialsStore, "read")],
    "claim the record": [(Claims, "take")],
    "ask the provider": [(openai_images, "post")],
    "decode its answer": [(openai_images, "_purchase")],
    "store the picture": [(PictureStore, "put")],
    "finish the record": [(Claims, "settle")],
    "log and metrics": [(Telemetry, name) for name in ("begin", "identify", "bought", "stored")],
    "sign the link": [(PresignedLinks, "link")],
}
WARM_UP = 3


def main(invocations: int) -> None:
    """Invoke, time, print."""
    spent: dict[str, float] = {}
    for step, places in STEPS.items():
        for owner, name in places:
            setattr(owner, name, timed(getattr(owner, name), step, spent))
    times: dict[str, list[float]] = {}
    for number in range(WARM_UP + invocations):
        spent.clear()
        event = {"client_id": 1, "config": {"credentials_id": "credencial-openai", "prompt": "a picture"}}
        context = SimpleNamespace(
            aws_request_id=f"steps-{time.time_ns()}", client_context=None, get_remaining_time_in_millis=lambda: 60_000
        )
        began = time.perf_counter()
        handler.handler(event, context)
        everything = (time.perf_counter() - began) * 1000
        if number >= WARM_UP:
            for step in STEPS:
                times.setdefault(step, []).append(spent.get(step, 0.0))
            times.setdefault("checks, answer, and between", []).append(everything - sum(spent.values()))
            times.setdefault("everything", []).append(everything)
    print(json.dumps(times))


def timed(call: Callable[..., Any], step: str, spent: dict[str, float]) -> Callable[..., Any]:
    """Return a call that adds its milliseconds to its step's."""

    def run(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401
        began = time.perf_counter()
        try:
            return call(*arguments, **options)
        finally:
            spent[step] = spent.get(step, 0.0) + (time.perf_counter() - began) * 1000

    return run


if __name__ == "__main__":
    main(int(sys.argv[1]))
