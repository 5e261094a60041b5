"""The function that buys, in an account on this machine."""

from collections.abc import Mapping
from typing import IO
from uuid import uuid4

from generate_image.handler import AWS_CONFIG, Handler, told
from generate_image.settings import Settings
from generate_image.telemetry import Telemetry
from local.account import Account
from local.environments import Environments
from local.step_functions_gaps import Function


def buying_function(account: Account, settings: Mapping[str, str], log: IO[str]) -> Function:
    """Return the function, with as many environments as are called at once. settings: its environment variables."""

    def start() -> Function:
        session = account.session()
        # Loggers of one name share what they add to each line.
        telemetry = Telemetry(log, service=f"generate-image-{uuid4()}")
        handler = Handler(
            Settings.from_mapping(settings),
            session.client("s3", endpoint_url=account.endpoint, config=AWS_CONFIG),
            session.client("secretsmanager", endpoint_url=account.endpoint, config=AWS_CONFIG),
            telemetry,
        )
        return lambda event, context: told(telemetry, context, lambda: handler.serve(event, context))

    return Environments(start)
