"""Every way in which the stand-in can fail, by name.

The errors come from OpenAI's error guide, its image generation guide, and public issue trackers. Others come from
gateways, from connections, and from good responses without a good picture.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

INVALID_REQUEST = "invalid_request_error"
USER_ERROR = "image_generation_user_error"
PICTURE_URL = "{root}/pictures/{name}"


class Delivery(StrEnum):
    """How the bytes of a response travel."""

    WHOLE = "whole"
    CLOSED = "closed"
    RESET = "reset"
    TRUNCATED = "truncated"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One way to fail. A field that keeps its default leaves OpenAI's behaviour as it is.

    bills: whether the picture is generated, and billed, before the failure shows.
    delay: seconds before anything else.
    status, body, headers: the response. A body is JSON, or text of a gateway, which sends none of the API's headers.
    delivery: how the bytes travel.
    url: the response names this URL; `{root}` is the server's address, `{name}` the picture's. download: the fault of
        each download from it.
    """

    bills: bool
    delay: float = 0
    status: int | None = None
    body: object = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    delivery: Delivery = Delivery.WHOLE
    url: str | None = None
    download: Fault | None = None


NO_FAULT = Fault(bills=True)


def _error(
    status: int,
    code: str | None,
    message: str,
    kind: str = INVALID_REQUEST,
    *,
    details: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Fault:
    error = {"message": message, "type": kind, "param": None, "code": code, **(details or {})}
    return Fault(bills=False, status=status, body={"error": error}, headers=headers or {})


_BLOCKED = {"moderation_details": {"moderation_stage": "input", "categories": ["violence"]}}
_BUSY = "Rate limit reached for images per minute."
_ERRORS = {
    "moderation_blocked": _error(
        400, "moderation_blocked", "Your request was rejected by the safety system.", USER_ERROR, details=_BLOCKED
    ),
    "content_policy_violation": _error(400, "content_policy_violation", "Your prompt may contain unsafe text."),
    "invalid_value": _error(400, "invalid_value", "Invalid size '4096x4096'.", USER_ERROR),
    "billing_hard_limit_reached": _error(400, "billing_hard_limit_reached", "Billing hard limit has been reached"),
    "invalid_api_key": _error(401, "invalid_api_key", "Incorrect API key provided: sk-*******oken."),
    "organization_unverified": _error(403, None, "Your organization must be verified to use the model."),
    "model_not_found": _error(404, "model_not_found", "The model does not exist."),
    "rate_limit_exceeded": _error(429, "rate_limit_exceeded", _BUSY, "requests"),
    "rate_limit_retry_after": _error(429, "rate_limit_exceeded", _BUSY, "requests", headers={"Retry-After": "1"}),
    "insufficient_quota": _error(429, "insufficient_quota", "You exceeded your current quota.", "insufficient_quota"),
    "server_error": _error(500, "server_error", "The server had an error.", "server_error"),
    "server_is_overloaded": _error(
        503, "server_is_overloaded", "The server is overloaded.", "service_unavailable_error"
    ),
}

_HTML = "<!DOCTYPE html><html><body><p>This is no picture.</p></body></html>"
_GATEWAYS = {
    "gateway_500": Fault(bills=False, status=500, body=_HTML),
    "gateway_502": Fault(bills=False, status=502, body=_HTML),
    "gateway_504": Fault(bills=True, status=504, body=_HTML),
    # Azure's gateway ends a request so after 60 silent seconds.
    "gateway_408": Fault(bills=True, status=408, body={"error": {"code": "Timeout", "message": "Timeout."}}),
}

_CONNECTIONS = {
    "delay": Fault(bills=True, delay=1),
    "closed_before_billing": Fault(bills=False, delivery=Delivery.CLOSED),
    "closed_after_billing": Fault(bills=True, delivery=Delivery.CLOSED),
    "reset_before_billing": Fault(bills=False, delivery=Delivery.RESET),
    "reset_after_billing": Fault(bills=True, delivery=Delivery.RESET),
    "body_truncated": Fault(bills=True, delivery=Delivery.TRUNCATED),
}

_ODD_SUCCESSES = {
    "data_empty": Fault(bills=True, status=200, body={"created": 1, "data": []}),
    "body_not_json": Fault(bills=True, status=200, body=_HTML),
    "base64_invalid": Fault(
        bills=True, status=200, body={"created": 1, "data": [{"b64_json": "this is *not* base64!"}]}
    ),
    "picture_html": Fault(bills=True, status=200, body={"created": 1, "data": [{"b64_json": "PGh0bWw+PC9odG1sPg=="}]}),
}


def _url(download: Fault | None = None, url: str = PICTURE_URL) -> Fault:
    return Fault(bills=True, url=url, download=download)


_DOWNLOADS = {
    "url": _url(),
    "url_not_found": _url(Fault(bills=False, status=404)),
    "url_forbidden": _url(Fault(bills=False, status=403)),
    "url_unavailable": _url(Fault(bills=False, status=503)),
    "url_closed": _url(Fault(bills=False, delivery=Delivery.CLOSED)),
    "url_truncated": _url(Fault(bills=False, delivery=Delivery.TRUNCATED)),
    "url_html": _url(Fault(bills=False, status=200, body=_HTML)),
    "url_private_address": _url(url="http://169.254.169.254/latest/meta-data/{name}"),
    "url_foreign_host": _url(url="https://pictures.example/{name}"),
    "url_not_a_url": _url(url="pictures/{name}"),
}

CATALOGUE: Mapping[str, Fault] = {**_ERRORS, **_GATEWAYS, **_CONNECTIONS, **_ODD_SUCCESSES, **_DOWNLOADS}
"""Every fault by name. `[name]` in a prompt provokes it; docs/bought-once.md has the effect of each."""


def names_in(prompt: str) -> list[str]:
    """Return the names in brackets in a prompt."""
    return re.findall(r"\[(\w+)\]", prompt)
