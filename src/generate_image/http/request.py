"""An HTTP request from API Gateway's event, and the image request in its body.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html (version 2.0)
"""

import base64
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, NoReturn

from generate_image.errors import (
    ForbiddenError,
    InvalidRequestError,
    RequestTooLargeError,
    UnsupportedMediaTypeError,
)
from generate_image.event import (
    ANSWER_OVERHEAD_BYTES,
    STEP_FUNCTIONS_ANSWER_BYTES,
    ImageRequest,
    image_id,
    request_hash,
)
from generate_image.settings import Settings

LONGEST_BODY_BYTES = STEP_FUNCTIONS_ANSWER_BYTES - ANSWER_OVERHEAD_BYTES
"""The state machine's input and output can hold no more."""
LONGEST_ESCAPED_BYTES = 6 * LONGEST_BODY_BYTES
"""The size of such a body if every character is written as an escape."""
JSON_TYPE = re.compile(r'application/json(\s*;\s*charset\s*=\s*"?utf-8"?)?\s*;?', re.IGNORECASE)


class HttpRequest(NamedTuple):
    """A request.

    route: API Gateway's route key. parameters: of the path, decoded. headers: by name in lower case. authorizer: the
    result of API Gateway's authorizer. request_id: API Gateway's.
    """

    route: str
    path: str
    parameters: Mapping[str, str]
    headers: Mapping[str, str]
    authorizer: Mapping[str, Any]
    request_id: str
    body: str
    body_is_base64: bool

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> "HttpRequest":
        """Return the request of an event, version 2.0. Raises KeyError for another event."""
        context = event["requestContext"]
        return cls(
            route=event["routeKey"],
            path=event["rawPath"],
            parameters=event.get("pathParameters") or {},
            headers={name.lower(): value for name, value in (event.get("headers") or {}).items()},
            authorizer=context.get("authorizer") or {},
            request_id=context["requestId"],
            body=event.get("body") or "",
            body_is_base64=bool(event.get("isBase64Encoded")),
        )

    def json_object(self) -> dict[str, Any]:
        """Return the body. Raises UnsupportedMediaTypeError, RequestTooLargeError and InvalidRequestError."""
        if not JSON_TYPE.fullmatch(self.headers.get("content-type", "").strip()):
            raise UnsupportedMediaTypeError("The body must be JSON in UTF-8: send Content-Type: application/json.")
        try:
            content = base64.b64decode(self.body) if self.body_is_base64 else self.body.encode()
            text = content.decode()
        except ValueError:
            raise _invalid("body", "must be JSON in UTF-8") from None
        if len(content) > LONGEST_ESCAPED_BYTES:
            raise _too_large(len(content))
        body = _parse_json(text)
        if not isinstance(body, dict):
            raise _invalid("body", "must be a JSON object")
        return body


class CreateRequest(NamedTuple):
    """A request for a picture.

    event_json: the module's event, as the state machine's input. passed_through: the part that the answer repeats.
    """

    client_id: str
    image_id: str
    request_hash: str
    event_json: str
    passed_through: Mapping[str, Any]


class CreateRequestReader(NamedTuple):
    """Reads the module's event from a request's path, headers and body.

    parse: returns the checked request of an event, or raises InvalidRequestError.
    """

    settings: Settings
    parse: Callable[[object], ImageRequest]

    def read(self, request: HttpRequest, client_id: str) -> CreateRequest:
        """Return a client's request for a picture.

        Raises InvalidRequestError, ForbiddenError, UnsupportedMediaTypeError and RequestTooLargeError.
        """
        event = _event(request, client_id)
        checked = self.parse(event)
        return CreateRequest(
            client_id=client_id,
            image_id=image_id(checked, self.settings),
            request_hash=request_hash(checked, self.settings),
            event_json=_event_json(event, checked.prompt),
            passed_through=checked.passed_through,
        )

    def hash_of(self, event: Mapping[str, Any]) -> str:
        """Return the request hash of an execution's event. Raises InvalidRequestError."""
        return request_hash(self.parse(event), self.settings)


def _event(request: HttpRequest, client_id: str) -> dict[str, Any]:
    body = request.json_object()
    named = body.get("client_id")
    if named is not None and str(named) != client_id:
        raise ForbiddenError("The client_id of the body is not the client in the path. Omit it.")
    header_key = request.headers.get("idempotency-key")
    if header_key is not None and not header_key.isascii():
        problem = "must be ASCII in the Idempotency-Key header; send it in the body as idempotency_key instead"
        raise _invalid("idempotency_key", problem)
    keys = [key for key in (header_key, body.get("idempotency_key")) if key is not None]
    if any(key != keys[0] for key in keys):
        raise _invalid("idempotency_key", "must be the same in the Idempotency-Key header and in the body")
    return {**body, "client_id": client_id, "idempotency_key": keys[0] if keys else request.request_id}


def _event_json(event: Mapping[str, Any], prompt: str) -> str:
    try:
        text = json.dumps(event, ensure_ascii=False, allow_nan=False)
        size = len(text.encode()) + len(prompt.encode())  # the answer contains the prompt once more
    except ValueError:
        raise _invalid("body", "must have no lone surrogates, and no number that is too large for a float") from None
    if size > LONGEST_BODY_BYTES:
        raise _too_large(size)
    return text


def _parse_json(text: str) -> object:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise _invalid("body", f"must be JSON: {error.msg} at {place}") from None
    except ValueError:  # an integer of more than 4,300 digits
        raise _invalid("body", "must not contain NaN, Infinity or a number with thousands of digits") from None
    except RecursionError:
        raise _invalid("body", "is nested too deeply") from None


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(constant)  # NaN and Infinity: Python reads them, JSON does not have them


def _invalid(field: str, problem: str) -> InvalidRequestError:
    return InvalidRequestError.listing([{"field": field, "problem": problem}])


def _too_large(size: int) -> RequestTooLargeError:
    return RequestTooLargeError(f"The request has {size} bytes; the state machine accepts {LONGEST_BODY_BYTES}.")
