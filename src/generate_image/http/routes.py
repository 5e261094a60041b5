"""The routes of openapi.yaml, and the check that an authorizer accepted the request."""

import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from generate_image.aws.ledger import LedgerStore, in_usd, month_of
from generate_image.aws.links import Links
from generate_image.deadline import Deadline
from generate_image.errors import (
    BudgetNotFoundError,
    ForbiddenError,
    ImageNotFoundError,
    InvalidRequestError,
    MethodNotAllowedError,
    RouteNotFoundError,
)
from generate_image.event import CLIENT_ID
from generate_image.generation import answer
from generate_image.http.request import CreateRequestReader, HttpRequest, parse_prefer
from generate_image.http.response import Response, json_response, problem_response
from generate_image.http.status import QUEUED, Ended, PictureStatus, Ready, StatusReader
from generate_image.http.waiting import ImageCreator
from generate_image.log import Log
from generate_image.money import MicroUsd, to_usd
from generate_image.settings import Settings

CREATE_IMAGE = "POST /clients/{client_id}/images"
GET_IMAGE = "GET /clients/{client_id}/images/{image_id}"
GET_BUDGET = "GET /clients/{client_id}/budget"
METHODS = {
    "/clients/[^/]+/images": "POST",
    "/clients/[^/]+/images/[^/]+": "GET",
    "/clients/[^/]+/budget": "GET",
}
RETRY_AFTER_SECONDS = 3
QUEUED_RETRY_AFTER_SECONDS = 5
"""A look at a queued picture needs DescribeExecution, which is scarce."""


class Routes:
    """Serves API Gateway's events."""

    def __init__(
        self,
        settings: Settings,
        reader: CreateRequestReader,
        creator: ImageCreator,
        statuses: StatusReader,
        ledgers: LedgerStore,
        links: Links,
        log: Log,
        deadline: Deadline,
    ) -> None:
        self._settings = settings
        self._reader = reader
        self._creator = creator
        self._statuses = statuses
        self._ledgers = ledgers
        self._links = links
        self._log = log
        self._deadline = deadline

    def serve(self, event: Mapping[str, Any]) -> Response:
        """Return the response to an event, version 2.0. Raises a GenerateImageError."""
        request = HttpRequest.from_event(event)
        check_authorizer(request, self._settings)
        # API Gateway authorized the caller for this route. Another reading of the path could bypass that.
        if request.route == CREATE_IMAGE:
            return self._create_image(request)
        if request.route == GET_IMAGE:
            return self._get_image(request)
        if request.route == GET_BUDGET:
            return self._get_budget(request)
        for pattern, allowed in METHODS.items():
            if re.fullmatch(pattern, request.path):
                raise MethodNotAllowedError(allowed)
        raise RouteNotFoundError("This path does not exist. See openapi.yaml for the routes.")

    def _create_image(self, request: HttpRequest) -> Response:
        client_id = client_of(request, self._settings)
        preferences = parse_prefer(request.headers.get("prefer", ""))
        wanted = self._reader.read(request, client_id)
        self._log.bind(client_id=client_id, image_id=wanted.image_id)
        wait_until = self._deadline.clock() + min(preferences.wait, self._deadline.remaining())
        status, started_here = self._creator.create(wanted, wait_until)
        response = self._respond(
            status, client_id, wanted.image_id, passed_through=wanted.passed_through, replayed=not started_here
        )
        if preferences.applied:
            response["headers"]["Preference-Applied"] = preferences.applied
        return response

    def _get_image(self, request: HttpRequest) -> Response:
        client_id = client_of(request, self._settings)
        image_id = request.parameters["image_id"]
        if not _is_uuid(image_id):
            raise InvalidRequestError.listing([{"field": "image_id", "problem": "must be a UUID in lower case"}])
        self._log.bind(client_id=client_id, image_id=image_id)
        return self._respond(self._statuses.read(client_id, image_id).status(), client_id, image_id)

    def _get_budget(self, request: HttpRequest) -> Response:
        client_id = client_of(request, self._settings)
        now = self._deadline.clock()
        month = month_of(now)
        ledger = self._ledgers.read(client_id, month)
        if ledger is None:
            raise BudgetNotFoundError("The client bought nothing under a budget this month.")
        remaining = max(0, ledger.limit - ledger.settled - ledger.reserved)
        body = {
            "client_id": client_id,
            "month": month,
            **in_usd(ledger, now),
            "remaining_usd": to_usd(MicroUsd(remaining)),
            "open_reservations": len(ledger.open),
        }
        return json_response(200, body, {})

    def _respond(
        self,
        status: PictureStatus,
        client_id: str,
        image_id: str,
        *,
        passed_through: Mapping[str, Any] | None = None,
        replayed: bool = True,
    ) -> Response:
        """Return the response for a status. passed_through: of this request; None: that of the record."""
        location = f"/clients/{client_id}/images/{image_id}"
        if status is None:
            raise ImageNotFoundError("The client has no such picture, or its lifetime is over.")
        if isinstance(status, Ready):
            record, stored = status.record, status.record.require_stored()
            self._links.prepare()
            link = self._links.link(stored.key, stored.stored_at)
            repeated = record.passed_through if passed_through is None else passed_through
            body = answer(record, link, self._settings.image_bucket, repeated, replayed=replayed)
            return json_response(200, body, {"Content-Location": location})
        if isinstance(status, Ended):
            self._log.request_failed(status.error)
            return problem_response(status.error, instance=location)
        seconds = QUEUED_RETRY_AFTER_SECONDS if status.progress == QUEUED else RETRY_AFTER_SECONDS
        body = {"image_id": image_id, "status": status.progress}
        return json_response(202, body, {"Location": location, "Retry-After": str(seconds)})


def check_authorizer(request: HttpRequest, settings: Settings) -> None:
    """Raise ForbiddenError unless API Gateway's authorizer of the configured kind accepted the request."""
    kind = settings.api_authorization
    if kind == "none":
        return
    proof = (request.authorizer.get(kind) or {}).get("userArn" if kind == "iam" else "claims")
    if not proof:
        raise ForbiddenError(f"No {kind} authorizer accepted this request. Check the API's routes.")


def client_of(request: HttpRequest, settings: Settings) -> str:
    """Return the client in the path. Raises ForbiddenError if the token is another client's."""
    client_id = request.parameters["client_id"]
    if not CLIENT_ID.fullmatch(client_id):
        problem = "must be at most 64 letters, digits, - and _"
        raise InvalidRequestError.listing([{"field": "client_id", "problem": problem}])
    claim = settings.jwt_client_claim
    if claim:
        claims = (request.authorizer.get("jwt") or {}).get("claims") or {}
        if claims.get(claim) != client_id:
            raise ForbiddenError("The token belongs to another client than the path.")
    return client_id


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
