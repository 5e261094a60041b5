"""`python -m tests.proof.processes`: run the generate function in many processes, and kill some of them.

Standard input has one JSON object. ``account``: the endpoint. ``settings``: the function's environment variables.
``together``: whether the invocations run at the same time. ``seconds``: an invocation's time. ``calls``: a list of
``{"prompt", "key", "kill_after": seconds or null, "later": seconds}``; ``later`` is how far the clock is ahead. The
output has ``{"answer"}``, ``{"error": class}``, or ``{}`` for a killed process, for each call.

The processes are forked from this one, which has imported everything and has no threads. A new interpreter would take
longer to start than a request takes.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from operator import itemgetter
from typing import IO, Any

import boto3

from generate_image.aws.clients import Clients
from generate_image.errors import GenerateImageError
from generate_image.functions import generate_image
from generate_image.functions._runtime import Environment, with_boundary
from generate_image.log import Log
from generate_image.settings import Settings
from local.account import REGION
from local.lambda_context import LocalContext
from tests.events import event_for


class Caller:
    """Makes each call in its own process."""

    def __init__(self, job: Mapping[str, Any]) -> None:
        session = boto3.Session("local", "local", region_name=REGION)
        # The account serves one request at a time, so the last of a crowd waits long.
        environ = {"AWS_ENDPOINT_URL": job["account"]}
        self._clients = Clients(environ, session=session, read_seconds=job["seconds"])
        _ = self._clients.s3, self._clients.secrets_manager  # made once, before the forks
        self._settings = Settings.from_mapping(job["settings"])
        self._seconds = float(job["seconds"])

    def begin(self, call: Mapping[str, Any], start: int | None = None) -> tuple[int, IO[str]]:
        """Start a call, at once or when it can read a byte from ``start``. Returns the process and its output."""
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
            with os.fdopen(writing, "w") as output:
                output.write(json.dumps(self._serve(call)))
            status = 0
        finally:
            os._exit(status)

    def _serve(self, call: Mapping[str, Any]) -> dict[str, Any]:
        environment = Environment(
            settings=self._settings,
            log=Log("processes", sys.stderr),
            clients=self._clients,
            clock=lambda: time.time() + call["later"],
            margin=0,
        )
        serve = generate_image.build(environment, storing_seconds=1, shortest_purchase_seconds=0.1)
        context = LocalContext(self._seconds)
        event = event_for(call["prompt"], idempotency_key=call["key"])
        try:
            with redirect_stdout(sys.stderr):
                return {"answer": with_boundary(serve, environment)(event, context)}
        except GenerateImageError as error:
            return {"error": error.code}


def kill_and_wait(process: int, call: Mapping[str, Any]) -> None:
    """Kill the process after its time, if the call has one, and wait for its end."""
    if call["kill_after"] is not None:
        time.sleep(call["kill_after"])
        os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)


def kill_in_time(moments: Sequence[tuple[int, float]]) -> None:
    """Kill each process after its seconds from now."""
    start = time.monotonic()
    for process, moment in sorted(moments, key=itemgetter(1)):
        time.sleep(max(0.0, start + moment - time.monotonic()))
        os.kill(process, signal.SIGKILL)


def outcome_of(pipe: IO[str]) -> dict[str, Any]:
    """Return the complete output of a process. A killed process may leave a part, which counts as none."""
    with pipe:
        try:
            outcome: dict[str, Any] = json.loads(pipe.read())
        except ValueError:
            return {}
        return outcome


def main() -> None:
    """Make the calls of standard input."""
    job = json.load(sys.stdin)
    caller = Caller(job)
    outcomes = []
    if job["together"]:
        start, starter = os.pipe()
        begun = [(*caller.begin(call, start), call) for call in job["calls"]]
        os.write(starter, b"!" * len(begun))
        kill_in_time([(process, call["kill_after"]) for process, _, call in begun if call["kill_after"] is not None])
        outcomes = [outcome_of(pipe) for _, pipe, _ in begun]
        for process, *_ in begun:
            os.waitpid(process, 0)
    else:
        for call in job["calls"]:
            process, pipe = caller.begin(call)
            kill_and_wait(process, call)
            outcomes.append(outcome_of(pipe))
    json.dump(outcomes, sys.stdout)


if __name__ == "__main__":
    main()
