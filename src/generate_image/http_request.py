"""An HTTP request as API Gateway hands it over, checked by hand: whatever is wrong with it becomes a 4xx of ours.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html (version 2.0)
"""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from generate_image.errors import InvalidRequestError
from generate_image.http_errors import RequestTooLargeError, UnsupportedMediaTypeError
from generate_image.request import ANSWER_OVERHEAD_BYTES, STEP_FUNCTIONS_ANSWER_BYTES

LONGEST_BODY_BYTES = STEP_FUNCTIONS_ANSWER_BYTES - ANSWER_OVERHEAD_BYTES
"""More can neither be handed to a state machine nor come back in an answer."""
LONGEST_ESCAPED_BYTES = 6 * LONGEST_BODY_BYTES
"""What that may be as it was sent, when every character is written as an escape."""
JSON_TYPE = re.compile(r'application/json(\s*;\s*charset\s*=\s*"?utf-8"?)?\s*;?', re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """A request. route: the contract's method and path, or ``$default``. headers: by their names in lower case.

    parameters: the path's, decoded. claims: the JWT's, where an authorizer checked one. request_id: API Gateway's.
    """

    route: str
    path: str
    parameters: Mapping[str, str]
    headers: Mapping[str, str]
    claims: Mapping[str, Any]
    request_id: str
    body: str
    body_is_base64: bool

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> "HttpRequest":
        """Return the request of an event, version 2.0. Raises KeyError for an event of any other kind."""
        context = event["requestContext"]
        return cls(
            route=event["routeKey"],
            path=event["rawPath"],
            parameters=event.get("pathParameters") or {},
            headers={name.lower(): value for name, value in (event.get("headers") or {}).items()},
            claims=((context.get("authorizer") or {}).get("jwt") or {}).get("claims") or {},
            request_id=context["requestId"],
            body=event.get("body") or "",
            body_is_base64=bool(event.get("isBase64Encoded")),
        )

    def json_object(self) -> dict[str, Any]:
        """Return the body. Raises UnsupportedMediaTypeError, RequestTooLargeError and InvalidRequestError."""
        if not JSON_TYPE.fullmatch(self.headers.get("content-type", "").strip()):
            raise UnsupportedMediaTypeError("The body must be JSON in UTF-8: send Content-Type: application/json.")
        try:
            content = base64.b64decode(self.body, validate=True) if self.body_is_base64 else self.body.encode()
            if len(content) > LONGEST_ESCAPED_BYTES:
                raise too_large(len(content))
            body = json.loads(content.decode(), parse_constant=_refuse)
        except (ValueError, RecursionError):  # no base64, no UTF-8, no JSON, or nested thousands deep
            raise InvalidRequestError.listing([{"field": "body", "problem": "must be JSON in UTF-8"}]) from None
        if not isinstance(body, dict):
            raise InvalidRequestError.listing([{"field": "body", "problem": "must be a JSON object"}])
        return body


def too_large(size: int) -> RequestTooLargeError:
    """Return the error for what comes to ``size`` bytes."""
    return RequestTooLargeError(
        f"The request comes to {size} bytes; at most {LONGEST_BODY_BYTES} can be worked on and answered."
    )


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)  # NaN and Infinity, which Python reads and JSON does not have
