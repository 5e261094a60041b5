"""The HTTP API on this machine, and behind it the functions and the state machine, as the template deploys them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

import yaml

from generate_image.api import AWS_CONFIG, Api, answered
from generate_image.settings import Settings
from generate_image.telemetry import Telemetry
from local.account import Account
from local.environments import Environments
from local.functions import buying_function
from local.gateway import Gateway
from local.lambda_context import LocalContext
from local.state_machines import StateMachines, function_arn
from local.step_functions_gaps import Function

BUYS = "GenerateImageFunction"
ROOT = Path(__file__).parents[1]


@contextmanager
def http_api(
    account: Account,
    settings: Mapping[str, str],
    log: IO[str],
    *,
    sleep: Callable[[float], None],
    buys: Function | None = None,
) -> Iterator[Gateway]:
    """Give the gateway to an API in an account.

    settings: the functions' environment variables. log: where they log. sleep: how the state machine waits before a
    retry. buys: another function in the place of the one that buys.
    """
    buys = buys or buying_function(account, settings, log)
    with StateMachines(account, {BUYS: buys}, sleep=sleep) as machines:
        definition = (ROOT / "statemachines" / "generate_image.asl.yaml").read_text("utf-8")
        arn = machines.create(f"generate-image-{uuid4()}", definition, {f"{BUYS}Arn": function_arn(BUYS)})
        yield gateway(account, {**settings, "STATE_MACHINE_ARN": arn}, log)


def gateway(account: Account, settings: Mapping[str, str], log: IO[str]) -> Gateway:
    """Return a gateway to the function that waits, or buys in place where the settings name no state machine."""
    contract = yaml.safe_load((ROOT / "openapi.yaml").read_text("utf-8"))
    return Gateway(contract, Environments(lambda: _waits(account, settings, log)))


def _waits(account: Account, settings: Mapping[str, str], log: IO[str]) -> Function:
    session, endpoint, telemetry = account.session(), account.endpoint, _telemetry(log)
    api = Api(
        Settings.from_mapping(settings),
        session.client("s3", endpoint_url=endpoint, config=AWS_CONFIG),
        session.client("secretsmanager", endpoint_url=endpoint, config=AWS_CONFIG),
        session.client("stepfunctions", endpoint_url=endpoint, config=AWS_CONFIG),
        telemetry,
    )

    def serve(event: dict[str, Any], context: LocalContext) -> dict[str, Any]:
        return answered(telemetry, context, lambda: api.serve(event, context))

    return serve


def _telemetry(log: IO[str]) -> Telemetry:
    return Telemetry(log, service=f"generate-image-{uuid4()}")  # loggers of one name share what they add to each line
