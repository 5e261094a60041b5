"""The routes of openapi.yaml, and the check that an authorizer accepted the request."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from generate_image.answer import answer
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
from generate_image.http.request import CreateRequestReader, HttpRequest
from generate_image.http.response import Response, json_response, problem_response
from generate_image.http.status import QUEUED, Ended, PictureStatus, Ready, StatusReader
from generate_image.http.waiting import ImageCreator, parse_prefer
from generate_image.log import Log
from generate_image.money import MicroUsd, to_usd
from generate_image.settings import Settings

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
RETRY_AFTER_SECONDS = 3
QUEUED_RETRY_AFTER_SECONDS = 5
"""A look at a queued picture needs DescribeExecution, which is scarce."""


class Routes(NamedTuple):
    """Serves API Gateway's events."""

    settings: Settings
    reader: CreateRequestReader
    creator: ImageCreator
    statuses: StatusReader
    ledgers: LedgerStore
    links: Links
    log: Log
    deadline: Deadline

    def serve(self, event: Mapping[str, Any]) -> Response:
        """Return the response to an event, version 2.0. Raises a GenerateImageError."""
        routes = {
            "POST /clients/{client_id}/images": self._create_image,
            "GET /clients/{client_id}/images/{image_id}": self._get_image,
            "GET /clients/{client_id}/budget": self._get_budget,
        }
        request = HttpRequest.from_event(event)
        check_authorizer(request, self.settings)
        # API Gateway authorized the caller for this route. Another reading of the path could bypass that.
        if request.route in routes:
            return routes[request.route](request, client_of(request, self.settings))
        for route in routes:
            method, path = route.split()
            if re.fullmatch(re.sub(r"{\w+}", "[^/]+", path), request.path):
                raise MethodNotAllowedError(method)
        raise RouteNotFoundError("This path does not exist. See openapi.yaml for the routes.")

    def _create_image(self, request: HttpRequest, client_id: str) -> Response:
        preferences = parse_prefer(request.headers.get("prefer", ""))
        wanted = self.reader.read(request, client_id)
        self.log.bind(client_id=client_id, image_id=wanted.image_id)
        wait_until = self.deadline.clock() + min(preferences.wait, self.deadline.remaining())
        status, started_here = self.creator.create(wanted, wait_until)
        response = self._respond(
            status, client_id, wanted.image_id, passed_through=wanted.passed_through, replayed=not started_here
        )
        if preferences.applied:
            response["headers"]["Preference-Applied"] = preferences.applied
        return response

    def _get_image(self, request: HttpRequest, client_id: str) -> Response:
        image_id = request.parameters["image_id"]
        if not UUID.fullmatch(image_id):
            raise InvalidRequestError.listing([{"field": "image_id", "problem": "must be a UUID in lower case"}])
        self.log.bind(client_id=client_id, image_id=image_id)
        return self._respond(self.statuses.read(client_id, image_id).status(), client_id, image_id)

    def _get_budget(self, _request: HttpRequest, client_id: str) -> Response:
        now = self.deadline.clock()
        month = month_of(now)
        ledger = self.ledgers.read(client_id, month)
        if ledger is None:
            raise BudgetNotFoundError("The client bought nothing under a budget this month.")
        body = {
            "client_id": client_id,
            "month": month,
            **in_usd(ledger, now),
            "remaining_usd": to_usd(MicroUsd(max(0, ledger.limit - ledger.settled - ledger.reserved))),
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
            self.links.prepare()
            link = self.links.link(stored.key, stored.stored_at)
            repeated = record.passed_through if passed_through is None else passed_through
            body = answer(record, link, self.settings.image_bucket, repeated, replayed=replayed)
            return json_response(200, body, {"Content-Location": location})
        if isinstance(status, Ended):
            self.log.request_failed(status.error)
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
