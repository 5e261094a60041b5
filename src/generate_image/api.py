"""The function that waits: the HTTP API's two routes. It buys nothing; openapi.yaml is its contract.

Where no state machine is configured (``sam local start-api``), it buys in place, with the handler's own code.
"""

import os
import re
import time
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

import boto3
from botocore.config import Config

from generate_image import collect_garbage_as_usual
from generate_image.answer import answer
from generate_image.deadline import Deadline, LambdaContext
from generate_image.delivery import links_for
from generate_image.errors import ConfigurationError, GenerateImageError, ImageNotFoundError, InvalidRequestError
from generate_image.executions import Executions
from generate_image.http_errors import ForbiddenError, MethodNotAllowedError, RouteNotFoundError
from generate_image.http_request import HttpRequest
from generate_image.http_response import json_response, problem_response
from generate_image.orders import hash_of_event, read_order
from generate_image.outcomes import Outcome, Outcomes
from generate_image.preferences import parse_prefer
from generate_image.purchases import InPlacePurchases, Purchases
from generate_image.records import Records
from generate_image.request import CLIENT_ID
from generate_image.settings import Settings
from generate_image.storage import PictureStore
from generate_image.telemetry import SERVICE, Telemetry

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_stepfunctions import SFNClient

CREATE = "POST /clients/{client_id}/images"
LOOK = "GET /clients/{client_id}/images/{image_id}"
METHODS = {"/clients/[^/]+/images": "POST", "/clients/[^/]+/images/[^/]+": "GET"}

MARGIN_SECONDS = 2.0
"""Our own problem is told so long before Lambda ends the invocation and API Gateway says 503."""
LOOK_AGAIN_SECONDS = 3
IN_PLACE_STORING_SECONDS = 5.0
AWS_CONFIG = Config(
    signature_version="s3v4",  # else boto3 presigns with SigV2 in some regions
    connect_timeout=2,
    read_timeout=5,
    retries={"mode": "standard", "total_max_attempts": 3},
)


class Api:
    """Serves the routes. Lives as long as the environment, and so do its clients."""

    def __init__(
        self,
        settings: Settings,
        s3: "S3Client",
        secrets: "SecretsManagerClient",
        step_functions: "SFNClient",
        telemetry: Telemetry,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """clock: seconds since the epoch."""
        self._settings = settings
        self._telemetry = telemetry
        self._clock = clock
        self._links = links_for(settings, s3, secrets, clock=clock)
        records = Records(s3, settings.image_bucket, clock=clock, sleep=sleep)
        pictures = PictureStore(s3, settings.image_bucket, settings.picture_retention_days, sleep=sleep)
        self._purchases: Purchases | InPlacePurchases
        if settings.state_machine_arn:
            executions = Executions(step_functions, settings.state_machine_arn)
            self._outcomes = Outcomes(records, pictures, executions)
            self._purchases = Purchases(
                executions, self._outcomes, partial(hash_of_event, settings=settings), sleep=sleep
            )
        else:
            from generate_image.handler import Handler  # noqa: PLC0415  # who waits does not load what buys

            handler = Handler(
                settings, s3, secrets, telemetry, clock=clock, sleep=sleep, storing_seconds=IN_PLACE_STORING_SECONDS
            )
            self._outcomes = Outcomes(records, pictures, None)
            self._purchases = InPlacePurchases(handler, self._outcomes, sleep=sleep)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], telemetry: Telemetry) -> "Api":
        """Return an API with clients of its own. Raises ConfigurationError."""
        settings = Settings.from_mapping(environ)
        s3 = boto3.client("s3", config=AWS_CONFIG)
        secrets = boto3.client("secretsmanager", config=AWS_CONFIG)
        step_functions = boto3.client("stepfunctions", config=AWS_CONFIG)
        return cls(settings, s3, secrets, step_functions, telemetry)

    def serve(self, event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
        """Answer API Gateway's event, version 2.0. Raises a GenerateImageError."""
        request = HttpRequest.from_event(event)
        deadline = Deadline(self._clock() + context.get_remaining_time_in_millis() / 1000 - MARGIN_SECONDS, self._clock)
        # The route that API Gateway found, not the path: it is the one that the caller was authorized for.
        if request.route == CREATE:
            return self._create(request, deadline, context)
        if request.route == LOOK:
            return self._look(request, deadline)
        for pattern, allowed in METHODS.items():
            if re.fullmatch(pattern, request.path):
                raise MethodNotAllowedError(allowed)
        raise RouteNotFoundError("There is nothing at this path. openapi.yaml has the routes.")

    def _create(self, request: HttpRequest, deadline: Deadline, context: LambdaContext) -> dict[str, Any]:
        client_id = self._client_of(request)
        preferences = parse_prefer(request.headers.get("prefer", ""))
        order = read_order(request, client_id, self._settings)
        self._telemetry.identify(client_id=client_id, image_id=order.image_id)
        waiting = Deadline(min(deadline.at, self._clock() + preferences.wait), self._clock)
        purchase = self._purchases.make(order, waiting, deadline, context)
        asked, replayed = order.passed_through, not purchase.begun
        response = self._told(purchase.outcome, client_id, order.image_id, deadline, asked=asked, replayed=replayed)
        if preferences.applied:
            response["headers"]["Preference-Applied"] = preferences.applied
        return response

    def _look(self, request: HttpRequest, deadline: Deadline) -> dict[str, Any]:
        client_id = self._client_of(request)
        picture_id = request.parameters["image_id"]
        if not _is_uuid(picture_id):
            raise InvalidRequestError.listing([{"field": "image_id", "problem": "must be a UUID in lower case"}])
        self._telemetry.identify(client_id=client_id, image_id=picture_id)
        outcome = self._outcomes.look(client_id, picture_id, deadline)
        return self._told(outcome, client_id, picture_id, deadline)

    def _told(
        self,
        outcome: Outcome,
        client_id: str,
        picture_id: str,
        deadline: Deadline,
        *,
        asked: Mapping[str, Any] | None = None,
        replayed: bool = True,
    ) -> dict[str, Any]:
        """Return the answer that tells an outcome. asked: what of the event comes back; by default, the record's."""
        location = f"/clients/{client_id}/images/{picture_id}"
        if outcome.stored:
            picture = outcome.stored.picture
            self._links.prepare(deadline)
            link = self._links.link(picture["key"], picture["stored_at"])
            passed_through = outcome.stored.asked if asked is None else asked
            body = answer(outcome.stored, link, self._settings.image_bucket, passed_through, replayed=replayed)
            return json_response(200, body, {"Content-Location": location})
        if outcome.pending:
            body = {"image_id": picture_id, "status": outcome.pending}
            return json_response(202, body, {"Location": location, "Retry-After": str(LOOK_AGAIN_SECONDS)})
        if outcome.error:
            self._telemetry.failed(outcome.error)
            return problem_response(outcome.error, instance=location)
        raise ImageNotFoundError("There is no such picture, or its lifetime is over.")

    def _client_of(self, request: HttpRequest) -> str:
        """Return the path's client. Raises ForbiddenError where the token is another's."""
        client_id = request.parameters["client_id"]
        if not CLIENT_ID.fullmatch(client_id):
            problem = "must be at most 64 letters, digits, - and _"
            raise InvalidRequestError.listing([{"field": "client_id", "problem": problem}])
        claim = self._settings.jwt_client_claim
        if claim and request.claims.get(claim) != client_id:
            raise ForbiddenError("The token is not this client's.")
        return client_id


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def answered(telemetry: Telemetry, context: LambdaContext, serve: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what ``serve`` returns; log and count the error that it raises, and answer with it as a problem."""
    telemetry.begin(context.aws_request_id)
    try:
        return serve()
    except GenerateImageError as error:
        told = error
    except Exception as error:  # noqa: BLE001  # the one boundary that nothing foreign passes
        telemetry.unforeseen(error)
        told = ConfigurationError.unforeseen(error)
    telemetry.failed(told)
    return problem_response(told)


@cache
def _telemetry() -> Telemetry:
    return Telemetry(service=os.environ.get("POWERTOOLS_SERVICE_NAME", SERVICE))


@cache
def _api() -> Api:
    made = Api.from_environment(os.environ, _telemetry())
    collect_garbage_as_usual()
    return made


def handler(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Serve one request: AWS Lambda's entry point."""
    return answered(_telemetry(), context, lambda: _api().serve(event, context))
