"""API Gateway on this machine: HTTP in, its events (version 2.0) to a function, HTTP out.

It refuses what API Gateway refuses, in its words: a body over 10 MB, an event that Lambda would not take, a function
that takes longer than 30 seconds or answers with something that is no answer. Authorization is not played.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
"""

import base64
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, unquote
from uuid import uuid4

from generate_image.deadline import Deadline, DeadlineExceededError
from local.lambda_context import LocalContext

LONGEST_BODY_BYTES = 10 * 1024 * 1024
LONGEST_EVENT_BYTES = 6 * 1024 * 1024 + 100
"""What Lambda takes: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""
INTEGRATION_SECONDS = 30.0
TEXT_TYPES = ("text/", "application/json", "application/xml", "application/javascript")
"""A body of another type reaches the function in base64."""

Function = Callable[[dict[str, Any], LocalContext], Any]


@dataclass(frozen=True, slots=True)
class Response:
    """What goes back to the caller."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Gateway:
    """Routes of an OpenAPI file, all of which lead to one function."""

    def __init__(
        self, contract: Mapping[str, Any], function: Function, *, seconds: float = INTEGRATION_SECONDS
    ) -> None:
        """With the file as read, and what takes an event and a context. seconds: how long that is waited for."""
        methods = ("get", "put", "post", "delete", "patch", "head", "options")
        self._routes = [
            (method.upper(), path.split("/"), f"{method.upper()} {path}")
            for path, operations in contract["paths"].items()
            for method in operations
            if method in methods
        ]
        self.function = function
        self._seconds = seconds

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Response:
        """Return the answer to one request. target: path and query, as in the request's first line."""
        if len(body) > LONGEST_BODY_BYTES:
            return message(413, "Request Entity Too Large")
        event = self.event(method, target, headers, body)
        if len(json.dumps(event, ensure_ascii=False).encode(errors="surrogatepass")) > LONGEST_EVENT_BYTES:
            return message(413, "Request Entity Too Large")
        # Abandoned when it is late, as API Gateway does; Lambda lets it run to its own end.
        patience = Deadline(time.monotonic() + self._seconds, time.monotonic)
        try:
            answer = patience.run(lambda: self.function(event, LocalContext(self._seconds)))
        except DeadlineExceededError:
            return message(503, "Service Unavailable")
        except Exception:  # noqa: BLE001  # whatever a function raises
            return message(500, "Internal Server Error")
        if not isinstance(answer, dict) or not isinstance(answer.get("statusCode"), int):
            return message(500, "Internal Server Error")
        content = answer.get("body", "")
        content = base64.b64decode(content) if answer.get("isBase64Encoded") else content.encode()
        return Response(answer["statusCode"], answer.get("headers", {}), content)

    def event(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
        """Return the event that the function gets for a request."""
        raw_path, _, query = target.partition("?")
        path = unquote(raw_path)
        route, parameters = self._route(method, raw_path)
        names = {name.lower(): value for name, value in headers.items()}
        is_text = names.get("content-type", "text/plain").lower().startswith(TEXT_TYPES)
        try:
            text = body.decode() if is_text else None
        except UnicodeDecodeError:
            text = None
        request_id = base64.b64encode(uuid4().bytes[:11]).decode()
        event: dict[str, Any] = {
            "version": "2.0",
            "routeKey": route,
            "rawPath": path,
            "rawQueryString": query,
            "headers": names,
            "requestContext": {
                "accountId": "123456789012",
                "apiId": "local",
                "domainName": names.get("host", "localhost"),
                "http": {
                    "method": method,
                    "path": path,
                    "protocol": "HTTP/1.1",
                    "sourceIp": "127.0.0.1",
                    "userAgent": "",
                },
                "requestId": request_id,
                "routeKey": route,
                "stage": "$default",
                "time": datetime.now(UTC).strftime("%d/%b/%Y:%H:%M:%S +0000"),
                "timeEpoch": int(time.time() * 1000),
            },
            "isBase64Encoded": text is None,
        }
        if query:
            event["queryStringParameters"] = dict(parse_qsl(query, keep_blank_values=True))
        if parameters:
            event["pathParameters"] = parameters
        if body:
            event["body"] = base64.b64encode(body).decode() if text is None else text
        return event

    def _route(self, method: str, path: str) -> tuple[str, dict[str, str]]:
        """Return the key of the route that takes a request, and the path's parameters."""
        segments = path.split("/")
        for route_method, wanted, key in self._routes:
            if route_method != method or len(wanted) != len(segments):
                continue
            pairs = list(zip(wanted, segments, strict=True))
            if all(segment == name or (name.startswith("{") and segment) for name, segment in pairs):
                return key, {name[1:-1]: unquote(segment) for name, segment in pairs if name.startswith("{")}
        return "$default", {}


def message(status: int, text: str) -> Response:
    """Return what API Gateway itself answers."""
    return Response(status, {"Content-Type": "application/json"}, json.dumps({"message": text}).encode())
