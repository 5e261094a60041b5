"""The API function: serves the HTTP API. It starts the state machine and buys nothing. Its contract is openapi.yaml."""

import random

from generate_image.aws.executions import Executions
from generate_image.aws.ledger import LedgerStore
from generate_image.aws.links import links_for
from generate_image.aws.pictures import PictureStore
from generate_image.aws.records import RecordStore
from generate_image.errors import ConfigurationError
from generate_image.functions._runtime import Environment, Serve, entry_point
from generate_image.http.request import CreateRequestReader
from generate_image.http.response import problem_response
from generate_image.http.routes import Routes
from generate_image.http.status import StatusReader
from generate_image.http.waiting import ImageCreator
from generate_image.lease import find_stored_with
from generate_image.provider.models import longest_prompt

READ_SECONDS = 5.0
"""API Gateway ends a request after 30 seconds, so this function cannot wait for AWS as long as the others."""


def build(environment: Environment) -> Serve:
    """Return the function. Raises ConfigurationError."""
    settings, clients = environment.settings, environment.clients
    if not settings.state_machine_arn:
        raise ConfigurationError("STATE_MACHINE_ARN is missing: the API function needs a state machine to start.")
    bucket = settings.image_bucket
    records = RecordStore(clients.s3, bucket, sleep=environment.sleep)
    pictures = PictureStore(
        clients.s3, bucket, settings.picture_retention_days, environment.deadline, sleep=environment.sleep
    )
    executions = Executions(clients.step_functions, settings.state_machine_arn)
    statuses = StatusReader(records, find_stored_with(pictures), executions, clock=environment.clock)
    reader = CreateRequestReader(settings, longest_prompt=max(map(longest_prompt, settings.image_models)))
    creator = ImageCreator(
        executions,
        statuses,
        reader.hash_of,
        settings.when_outcome_unknown,
        clock=environment.clock,
        sleep=environment.sleep,
    )
    ledgers = LedgerStore(clients.s3, bucket, environment.deadline, sleep=environment.sleep, random=random.random)
    links = links_for(settings, clients.s3, clients.secrets_manager, clock=environment.clock)
    routes = Routes(settings, reader, creator, statuses, ledgers, links, environment.log, environment.deadline)
    return lambda event, _context: routes.serve(event)


handler = entry_point(build, service="api", respond=problem_response, read_seconds=READ_SECONDS)
