"""The Lambda functions in an account on this machine. Local commands and tests make them here."""

import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import IO, Any
from uuid import uuid4

from generate_image.aws.clients import Clients
from generate_image.functions._runtime import Build, Environment, Respond, with_boundary
from generate_image.log import Log
from generate_image.settings import Settings
from local.account import Account
from local.lambda_context import Function, LocalContext


def environment(
    account: Account,
    settings: Mapping[str, str],
    log: IO[str] | None = None,
    *,
    secrets_manager: Any = None,  # noqa: ANN401  # a client with get_secret_value
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> Environment:
    """Return an execution environment. settings: its environment variables. log: default: standard output.

    secrets_manager: replaces the account's Secrets Manager. Raises ConfigurationError.
    """
    clients = Clients(account.aws_environ, session=account.session())
    if secrets_manager is not None:
        clients.secrets_manager = secrets_manager
    return Environment(
        settings=Settings.from_mapping(settings),
        log=Log(f"local-{uuid4()}", log),  # Powertools' loggers of one name share the keys of a line
        clients=clients,
        clock=clock,
        sleep=sleep,
    )


class ConcurrentFunction:
    """A function that several threads may call at once. Each call has an execution environment, as in Lambda."""

    def __init__(self, build: Build, start: Callable[[], Environment], respond: Respond | None = None) -> None:
        """build, respond: of a module in generate_image.functions. start: makes an environment."""
        self._build = build
        self._start = start
        self._respond = respond
        self._idle: deque[Function] = deque()

    def __call__(self, event: Any, context: LocalContext) -> Any:  # noqa: ANN401  # JSON
        """Return the function's response, or raise its error."""
        try:
            function = self._idle.pop()
        except IndexError:
            started = self._start()
            function = with_boundary(self._build(started), started, self._respond)
        try:
            return function(event, context)
        finally:
            self._idle.append(function)
