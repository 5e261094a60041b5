"""The HTTP API on this machine, with the functions and the state machine that the template deploys."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

import yaml

from generate_image.functions import api, generate_image
from generate_image.http.response import problem_response
from local.account import Account
from local.functions import ConcurrentFunction, environment
from local.gateway import Gateway
from local.lambda_context import Function
from local.state_machines import GENERATE_IMAGE, SUBSTITUTIONS, StateMachines, definition_text

ROOT = Path(__file__).parents[1]
CONTRACT: Mapping[str, Any] = yaml.safe_load((ROOT / "openapi.yaml").read_text("utf-8"))


@contextmanager
def http_api(
    account: Account,
    settings: Mapping[str, str],
    log: IO[str],
    *,
    sleep: Callable[[float], None],
    buys: Function | None = None,
    secrets_manager: Any = None,  # noqa: ANN401  # a client with get_secret_value
    cors_origins: Collection[str] = (),
) -> Iterator[Gateway]:
    """Give the gateway to an API in an account.

    settings: the functions' environment variables. sleep: the state machine's wait before a retry. buys: replaces the
    generate function.
    """

    def build(module: Any, variables: Mapping[str, str], respond: Any = None) -> ConcurrentFunction:  # noqa: ANN401
        start = lambda: environment(account, variables, log, secrets_manager=secrets_manager)  # noqa: E731
        return ConcurrentFunction(module.build, start, respond)

    with state_machine(account, buys or build(generate_image, settings), sleep=sleep) as arn:
        variables = {"API_AUTHORIZATION": "none", **settings, "STATE_MACHINE_ARN": arn}
        yield Gateway(CONTRACT, build(api, variables, problem_response), cors_origins=cors_origins)


@contextmanager
def state_machine(account: Account, function: Function, *, sleep: Callable[[float], None]) -> Iterator[str]:
    """Run the state machine for one picture until the context ends, and give its ARN."""
    with StateMachines(account, {"GenerateImageFunction": function}, sleep=sleep) as machines:
        yield machines.create(f"generate-image-{uuid4()}", definition_text(GENERATE_IMAGE), SUBSTITUTIONS)
