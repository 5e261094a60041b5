"""What a POST orders: the module's event, made of the path, the headers and the body, and checked."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from generate_image.errors import InvalidRequestError
from generate_image.http_errors import ForbiddenError
from generate_image.http_request import LONGEST_BODY_BYTES, HttpRequest, too_large
from generate_image.identity import image_id, request_hash
from generate_image.image_models import longest_prompt
from generate_image.request import ImageRequest, parse_event
from generate_image.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A picture that is to be there. event: the module's. text: the same as JSON.

    request_hash: what decides the picture. passed_through: what of the event comes back in the answer.
    """

    client_id: str
    image_id: str
    request_hash: str
    event: Mapping[str, Any]
    text: str
    passed_through: Mapping[str, Any]


def read_order(request: HttpRequest, client_id: str, settings: Settings) -> Order:
    """Return what a client orders. Raises InvalidRequestError, ForbiddenError and what reading the body raises."""
    event = _event(request, client_id)
    wanted = _checked(event, settings)
    return Order(
        client_id=client_id,
        image_id=image_id(wanted, settings),
        request_hash=request_hash(wanted, settings),
        event=event,
        text=_as_text(event, wanted),
        passed_through=wanted.passed_through,
    )


def hash_of_event(event: Mapping[str, Any], settings: Settings) -> str:
    """Return the ``request_hash`` of what an event orders. Raises InvalidRequestError."""
    return request_hash(_checked(event, settings), settings)


def _checked(event: Mapping[str, Any], settings: Settings) -> ImageRequest:
    return parse_event(event, default_key="", longest_prompt=max(map(longest_prompt, settings.image_models)))


def _event(request: HttpRequest, client_id: str) -> dict[str, Any]:
    body = request.json_object()
    told = body.get("client_id")
    is_named = isinstance(told, str | int) and not isinstance(told, bool)
    if told is not None and not (is_named and str(told) == client_id):
        raise ForbiddenError("The body speaks for another client than the path. Leave its client_id out.")
    keys = [key for key in (request.headers.get("idempotency-key"), body.get("idempotency_key")) if key is not None]
    if any(key != keys[0] for key in keys):
        problem = "must be the same in the Idempotency-Key header and in the body, where both have one"
        raise InvalidRequestError.listing([{"field": "idempotency_key", "problem": problem}])
    return {**body, "client_id": client_id, "idempotency_key": keys[0] if keys else request.request_id}


def _as_text(event: Mapping[str, Any], wanted: ImageRequest) -> str:
    try:
        text = json.dumps(event, ensure_ascii=False, allow_nan=False)
        size = len(text.encode()) + len(wanted.prompt.encode())  # which the answer holds once more
    except ValueError:
        problem = "must have no lone surrogates, and no number that is too large for a float"
        raise InvalidRequestError.listing([{"field": "body", "problem": problem}]) from None
    if size > LONGEST_BODY_BYTES:
        raise too_large(size)
    return text
