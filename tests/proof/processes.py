"""`python -m tests.bought_once.processes`: calls of the handler, each in a process of its own, some of them killed.

Reads one JSON object from standard input: `account`, the endpoint; `settings`, the function's environment;
`together`, whether the calls are made at the same time; `seconds`, an invocation's time; and `calls`, each `{"prompt",
"key", "kill_after": seconds or null, "later": seconds}`, where `later` is how far the call's clock is ahead. Prints,
for each, `{"answer"}`, `{"error": class}` or `{}` for a process that said nothing.

The processes are forked from this one, which has imported everything and has no threads: a new interpreter would take
longer to start than a request to be served.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import redirect_stdout
from typing import IO, Any

import boto3

from generate_image.errors import GenerateImageError
from generate_image.handler import AWS_CONFIG, Handler, told
from generate_image.settings import Settings
from generate_image.telemetry import Telemetry
from local.account import REGION
from local.lambda_context import LocalContext
from tests.module import event_for


class Caller:
    """Makes calls in processes of their own."""

    def __init__(self, job: Mapping[str, Any]) -> None:
        session = boto3.Session("local", "local", region_name=REGION)
        self._s3 = session.client("s3", endpoint_url=job["account"], config=AWS_CONFIG)
        self._secrets = session.client("secretsmanager", endpoint_url=job["account"], config=AWS_CONFIG)
        self._settings = Settings.from_mapping(job["settings"])
        self._seconds = float(job["seconds"])

    def begin(self, call: Mapping[str, Any], start: int | None = None) -> tuple[int, IO[str]]:
        """Start a call, at once or when it can read a byte from ``start``. Returns the process and what it will say."""
        reading, writing = os.pipe()
        process = os.fork()
        if process:
            os.close(writing)
            return process, os.fdopen(reading)
        status = 1
        try:
            os.close(reading)
            if start is not None:
                os.read(start, 1)
            with os.fdopen(writing, "w") as told_to:
                told_to.write(json.dumps(self._serve(call)))
            status = 0
        finally:
            os._exit(status)

    def _serve(self, call: Mapping[str, Any]) -> dict[str, Any]:
        telemetry = Telemetry(sys.stderr, service="bought-once")
        handler = Handler(
            self._settings,
            self._s3,
            self._secrets,
            telemetry,
            clock=lambda: time.time() + call["later"],
            storing_seconds=1,
            shortest_purchase_seconds=0.1,
        )
        context = LocalContext(self._seconds)
        event = event_for(call["prompt"], idempotency_key=call["key"])
        try:
            with redirect_stdout(sys.stderr):
                return {"answer": told(telemetry, context, lambda: handler.serve(event, context))}
        except GenerateImageError as error:
            return {"error": error.code}


def kill_and_wait(process: int, call: Mapping[str, Any]) -> None:
    """Kill the process when its time has come, if it has one, and wait for its end."""
    if call["kill_after"] is not None:
        time.sleep(call["kill_after"])
        os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)


def said(by: IO[str]) -> dict[str, Any]:
    """Return what a process said, whole; a process that was killed while it spoke has said nothing."""
    with by:
        try:
            outcome: dict[str, Any] = json.loads(by.read())
        except ValueError:
            return {}
        return outcome


def main() -> None:
    """Make the calls that standard input asks for."""
    job = json.load(sys.stdin)
    caller = Caller(job)
    outcomes = []
    if job["together"]:
        start, starter = os.pipe()
        begun = [(*caller.begin(call, start), call) for call in job["calls"]]
        os.write(starter, b"!" * len(begun))
        for process, pipe, call in begun:
            outcomes.append(said(pipe))
            kill_and_wait(process, call)
    else:
        for call in job["calls"]:
            process, pipe = caller.begin(call)
            kill_and_wait(process, call)
            outcomes.append(said(pipe))
    json.dump(outcomes, sys.stdout)


if __name__ == "__main__":
    main()
