"""API Gateway's responses. An error is a problem of RFC 9457.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html (version 2.0)
"""

import json
import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from generate_image.errors import BudgetExceededError, GenerateImageError, MethodNotAllowedError

RETRY_AFTER_SECONDS = 5
"""Retry-After of a retryable error without its own."""

Response = dict[str, Any]


def json_response(status: int, body: Mapping[str, Any], headers: Mapping[str, str]) -> Response:
    """Return a response that no cache may store: links and errors are temporary."""
    return _response(status, "application/json", body, headers)


def problem_response(error: GenerateImageError, instance: str = "") -> Response:
    """Return an error as a problem. instance: the path of the picture, if known."""
    details = {
        "instance": instance,
        "errors": error.errors,
        "categories": error.categories,
        "provider_request_id": error.provider_request_id,
        "budget": error.budget if isinstance(error, BudgetExceededError) else None,
    }
    body = {
        "type": "about:blank",
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "detail": error.message,
        "code": error.code,
        "retryable": error.retryable,
        **{name: value for name, value in details.items() if value},
    }
    headers = {}
    if error.retryable:
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after or RETRY_AFTER_SECONDS)))
    if isinstance(error, MethodNotAllowedError):
        headers["Allow"] = error.allowed
    return _response(error.status, "application/problem+json", body, headers)


def _response(status: int, content_type: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> Response:
    return {
        "statusCode": status,
        "headers": {"Content-Type": content_type, "Cache-Control": "no-store", **headers},
        "body": json.dumps(body, ensure_ascii=False),
        "isBase64Encoded": False,
    }
