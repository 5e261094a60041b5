"""The API function: serves the HTTP API. It starts the state machine and buys nothing. Its contract is openapi.yaml."""

from functools import partial

from generate_image.aws.executions import Executions
from generate_image.errors import ConfigurationError
from generate_image.functions._runtime import Environment, Serve, entry_point
from generate_image.functions._stores import StoreClasses, Stores
from generate_image.http.request import CreateRequestReader
from generate_image.http.response import problem_response
from generate_image.http.routes import Routes
from generate_image.http.status import StatusReader
from generate_image.http.waiting import ImageCreator

READ_SECONDS = 5.0
"""API Gateway ends a request after 30 seconds, so this function cannot wait for AWS as long as the others."""


def build(environment: Environment) -> Serve:
    """Return the function. Raises ConfigurationError."""
    settings, clock = environment.settings, environment.clock
    if not settings.state_machine_arn:
        raise ConfigurationError("STATE_MACHINE_ARN is missing: the API function needs a state machine to start.")
    stores = Stores(environment, StoreClasses())
    executions = Executions(environment.clients.step_functions, settings.state_machine_arn)
    reader = CreateRequestReader(settings, partial(stores.parse, default_key=""))
    statuses = StatusReader(stores.records, stores.find_stored, executions, clock)
    creator = ImageCreator(
        executions, statuses, reader.hash_of, settings.when_outcome_unknown, clock=clock, sleep=environment.sleep
    )
    routes = Routes(
        settings, reader, creator, statuses, stores.ledgers, stores.links, environment.log, environment.deadline
    )
    return lambda event, _context: routes.serve(event)


handler = entry_point(build, service="api", respond=problem_response, read_seconds=READ_SECONDS)
