"""API Gateway on this machine: an HTTP request in, its event (version 2.0) to a function, an HTTP response out.

It refuses the requests that API Gateway refuses, with the same messages: an event over Lambda's limit, and so every
body over 10 MB; a function that takes longer than 30 seconds or returns no valid response. There is no authorizer.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html
"""

import base64
import json
import re
from collections.abc import Collection, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Thread
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

from local.lambda_context import Function, LocalContext

LONGEST_EVENT_BYTES = 6 * 1024 * 1024 + 100
"""Lambda's limit: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""
INTEGRATION_SECONDS = 30.0
TEXT_TYPES = ("text/", "application/json", "application/xml", "application/javascript")
"""A body of another type reaches the function in base64."""
METHODS = ("get", "put", "post", "delete", "patch", "head", "options")


@dataclass(frozen=True, slots=True)
class Response:
    """The response to one request."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Gateway:
    """The routes of an OpenAPI document. All lead to one function."""

    def __init__(
        self,
        contract: Mapping[str, Any],
        function: Function,
        *,
        seconds: float = INTEGRATION_SECONDS,
        cors_origins: Collection[str] = (),
    ) -> None:
        """contract: the document. seconds: the integration's timeout. cors_origins: the parameter CorsOrigins."""
        self._routes = [
            (f"{method.upper()} {path}", re.compile(f"{method.upper()} " + re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", path)))
            for path, operations in contract["paths"].items()
            for method in operations
            if method in METHODS
        ]
        self.function = function
        self._seconds = seconds
        self.cors_origins = cors_origins
        self._cors = contract["x-amazon-apigateway-cors"]["Fn::If"][1]

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Response:
        """Return the response to one request. target: path and query."""
        names = {name.lower(): value for name, value in headers.items()}
        origin = names.get("origin", "")
        if self.cors_origins and method == "OPTIONS" and "access-control-request-method" in names:
            response = Response(204, {}, b"")
            lists = {"Access-Control-Allow-Methods": "allowMethods", "Access-Control-Allow-Headers": "allowHeaders"}
        else:
            response = self._answer(method, target, headers, body)
            lists = {"Access-Control-Expose-Headers": "exposeHeaders"}
        if origin not in self.cors_origins:
            return response
        cors = {name: ",".join(self._cors[values]) for name, values in lists.items()}
        cors |= {"Access-Control-Allow-Origin": origin}
        return Response(response.status, {**response.headers, **cors}, response.body)

    def event(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
        """Return the function's event for a request, with the fields that the function reads."""
        raw_path, _, query = target.partition("?")
        route, parameters = self._route(method, raw_path)
        names = {name.lower(): value for name, value in headers.items()}
        is_text = names.get("content-type", "text/plain").lower().startswith(TEXT_TYPES)
        try:
            text = body.decode() if is_text else None
        except UnicodeDecodeError:
            text = None
        event: dict[str, Any] = {
            "version": "2.0",
            "routeKey": route,
            "rawPath": unquote(raw_path),
            "rawQueryString": query,
            "headers": names,
            "requestContext": {"http": {"method": method}, "requestId": str(uuid4())},
            "isBase64Encoded": text is None,
        }
        if parameters:
            event["pathParameters"] = parameters
        if body:
            event["body"] = base64.b64encode(body).decode() if text is None else text
        return event

    def _answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Response:
        event = self.event(method, target, headers, body)
        if self.cors_origins and event["routeKey"] == "$default":
            return message(404, "Not Found")  # a stack with CorsOrigins has no default route
        if len(json.dumps(event, ensure_ascii=False).encode(errors="surrogatepass")) > LONGEST_EVENT_BYTES:
            return message(413, "Request Entity Too Large")
        try:
            answer = self._invoke(event)
            return Response(int(answer["statusCode"]), answer.get("headers", {}), answer.get("body", "").encode())
        except TimeoutError:
            return message(503, "Service Unavailable")
        except Exception:  # noqa: BLE001  # API Gateway answers every failure of a function alike
            return message(500, "Internal Server Error")

    def _invoke(self, event: dict[str, Any]) -> Any:  # noqa: ANN401  # a function returns any type
        """Return the function's response. After a TimeoutError the function runs on, as in Lambda."""
        result: Future[Any] = Future()

        def run() -> None:
            try:
                result.set_result(self.function(event, LocalContext(self._seconds)))
            except Exception as error:  # noqa: BLE001  # the caller of this thread raises it
                result.set_exception(error)

        Thread(target=run, daemon=True).start()
        return result.result(self._seconds)

    def _route(self, method: str, path: str) -> tuple[str, dict[str, str]]:
        """Return the key of the request's route, and the path's parameters."""
        for key, pattern in self._routes:
            if found := pattern.fullmatch(f"{method} {path}"):
                return key, {name: unquote(text) for name, text in found.groupdict().items()}
        return "$default", {}


def message(status: int, text: str) -> Response:
    """Return a response of API Gateway's own."""
    return Response(status, {"Content-Type": "application/json"}, json.dumps({"message": text}).encode())
