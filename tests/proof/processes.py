"""The generate function in many processes, some of which are killed.

The processes are forked from a new interpreter, which has imported everything and has no threads.
"""

import multiprocessing
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stdout, suppress
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
from operator import itemgetter
from typing import Any, NamedTuple

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
from tests.module import Module

FORK = multiprocessing.get_context("fork")


class Call(NamedTuple):
    """One call. kill_after: seconds until its process is killed. later: seconds that its clock is ahead."""

    prompt: str
    key: str
    later: float = 0.0
    kill_after: float | None = None


class Outcome(NamedTuple):
    """The answer of a call. end: "picture", an error's class, or "nothing" of a killed process."""

    end: str
    answer: Mapping[str, Any]


def outcomes_of(module: Module, crowds: Sequence[Sequence[Call]], seconds: float) -> list[Outcome]:
    """Make each call in its own process, one crowd after the other. seconds: an invocation's time."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as interpreter:
        return interpreter.submit(_outcomes, module.account.endpoint, module.environ, crowds, seconds).result()


def _outcomes(
    endpoint: str, environ: Mapping[str, str], crowds: Sequence[Sequence[Call]], seconds: float
) -> list[Outcome]:
    caller = Caller(endpoint, environ, seconds)
    return [outcome for crowd in crowds for outcome in caller.outcomes(crowd)]


class Caller:
    """Makes each call in its own process."""

    def __init__(self, endpoint: str, environ: Mapping[str, str], seconds: float) -> None:
        self._seconds = seconds
        session = boto3.Session("local", "local", region_name=REGION)
        # The account serves one request at a time, so the last of a crowd waits long.
        self._clients = Clients({"AWS_ENDPOINT_URL": endpoint}, session=session, read_seconds=seconds)
        _ = self._clients.s3, self._clients.secrets_manager  # made once, before the forks
        self._settings = Settings.from_mapping(environ)

    def outcomes(self, calls: Sequence[Call]) -> Iterator[Outcome]:
        """Make the calls at once, kill some of their processes, and return the outcomes."""
        ready, go = FORK.Pipe(duplex=False)  # no lock: a process that is killed would keep it
        begun = [(call, *self._begin(call, ready, go)) for call in calls]
        go.close()
        started = time.monotonic()
        kills = [(call.kill_after, process) for call, process, _ in begun if call.kill_after]
        for moment, process in sorted(kills, key=itemgetter(0)):
            time.sleep(max(0.0, started + moment - time.monotonic()))
            process.kill()
        for _, process, outcome in begun:
            try:
                yield outcome.recv()
            except (EOFError, OSError):  # the process was killed before it had written all
                yield Outcome("nothing", {})
            process.join()

    def _begin(self, call: Call, ready: Connection, go: Connection) -> tuple[ForkProcess, Connection]:
        """Start a process that waits until ``go`` is closed everywhere. Return it and the pipe of its outcome."""

        def serve() -> None:
            go.close()
            with suppress(EOFError):
                ready.recv()
            writing.send(self._serve(call))

        reading, writing = FORK.Pipe(duplex=False)
        process = FORK.Process(target=serve)
        process.start()
        writing.close()
        return process, reading

    def _serve(self, call: Call) -> Outcome:
        environment = Environment(
            settings=self._settings,
            log=Log("processes", sys.stderr),
            clients=self._clients,
            clock=lambda: time.time() + call.later,
            margin=0,
        )
        serve = generate_image.build(environment, storing_seconds=1, shortest_purchase_seconds=0.1)
        event = event_for(call.prompt, idempotency_key=call.key)
        try:
            with redirect_stdout(sys.stderr):
                return Outcome("picture", with_boundary(serve, environment)(event, LocalContext(self._seconds)))
        except GenerateImageError as error:
            return Outcome(error.code, {})
