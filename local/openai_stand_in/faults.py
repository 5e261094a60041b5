"""Every way in which the stand-in can fail, by name.

The errors come from OpenAI's error guide, its image generation guide, and public issue trackers. Others come from
gateways, from hosts that speak the same protocol, from connections, and from good responses without a good picture.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

INVALID_REQUEST = "invalid_request_error"
USER_ERROR = "image_generation_user_error"
API_HEADERS = {
    "x-request-id": "",
    "openai-processing-ms": "",
    "openai-version": "2020-10-01",
    "openai-organization": "org-stand-in",
    "x-ratelimit-limit-requests": "500",
    "x-ratelimit-remaining-requests": "499",
    "x-ratelimit-reset-requests": "120ms",
}
"""The headers of every response of the API; the first two have a value for each request."""
PICTURE_URL = "{root}/pictures/{id}.png"


class Route(StrEnum):
    """The route that a fault strikes."""

    GENERATIONS = "generations"
    MODELS = "models"
    PICTURES = "pictures"


class Delivery(StrEnum):
    """How the bytes of a response travel."""

    WHOLE = "whole"
    CLOSED = "closed"
    RESET = "reset"
    TRUNCATED = "truncated"
    HEADERS_DRIP = "headers drip"
    BODY_DRIPS = "body drips"
    OVERSIZE = "oversize"

    @property
    def has_status(self) -> bool:
        """Whether the client receives a status."""
        return self not in {Delivery.CLOSED, Delivery.RESET}


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One way to fail. A field that keeps its default leaves OpenAI's behaviour as it is.

    bills: whether the picture is generated, and billed, before the failure shows.
    delay: seconds before anything else.
    status, body, headers: the response. A body is JSON, or text where it is a string; in it, `{model}` is the model.
        A header that is None is left out. In a header, `{root}` is the server's address, `{id}` the picture's, `{url}`
        the whole URL.
    retry_after, retry_after_form: seconds, sent as "seconds", as an HTTP "date" or as "milliseconds".
    delivery: how the bytes travel. pause: seconds between two pieces that drip. size: bytes of an oversize response;
        blanks follow the body, so that it stays valid JSON, or a valid picture.
    picture_format: the true format of the picture. picture: bytes instead of a picture.
    entry: `data[0]` instead of `{"b64_json": …}`; in it, `{base64}` is the picture.
    url: the response names this URL; `{root}` and `{id}` as above. download: the fault of the first `downloads`
        downloads from it (None: of all).
    """

    bills: bool
    route: Route = Route.GENERATIONS
    delay: float = 0
    status: int | None = None
    body: object = None
    headers: Mapping[str, str | None] = field(default_factory=dict)
    retry_after: float | None = None
    retry_after_form: str = "seconds"
    delivery: Delivery = Delivery.WHOLE
    pause: float = 0.5
    size: int = 64 * 1024 * 1024
    picture_format: str | None = None
    picture: bytes | None = None
    entry: Mapping[str, str] | None = None
    url: str | None = None
    download: Fault | None = None
    downloads: int | None = None


NO_FAULT = Fault(bills=True)


def _error(
    status: int,
    code: str | None,
    message: str,
    kind: str = INVALID_REQUEST,
    *,
    param: str | None = None,
    details: Mapping[str, object] | None = None,
    **fields: Any,  # noqa: ANN401 - those of Fault
) -> Fault:
    """Return a fault with OpenAI's error object."""
    error = {"message": message, "type": kind, "param": param, "code": code, **(details or {})}
    return Fault(bills=False, status=status, body={"error": error}, **fields)


_BLOCKED = "Your request was rejected by the safety system. safety_violations=[violence]."
_FILTERED = "Your request was rejected as a result of our safety system."
_RATE_LIMIT = "Rate limit exceeded for images per minute in organization org-stand-in. Limit: 5/1min. Current: 6/1min."
_NO_MONEY = {
    "insufficient_quota": "You exceeded your current quota, please check your plan and billing details.",
    "credit_balance_exhausted": "Your credit balance is exhausted. Add credits to continue.",
    "organization_spend_limit_exceeded": "Your organization has reached its monthly spend limit.",
    "project_spend_limit_exceeded": "This project has reached its monthly spend limit.",
    "organization_usage_limit_exceeded": "Your organization has reached its monthly usage limit.",
}


def _moderation(stage: str) -> Fault:
    details = {"moderation_details": {"moderation_stage": stage, "categories": ["violence"]}}
    return _error(400, "moderation_blocked", _BLOCKED, USER_ERROR, details=details)


def _rate_limit(retry_after: float | None = None, form: str = "seconds") -> Fault:
    code = "rate_limit_exceeded"
    return _error(429, code, _RATE_LIMIT, "requests", retry_after=retry_after, retry_after_form=form)


_ERRORS = {
    "moderation_blocked": _moderation("input"),
    "moderation_blocked_output": _moderation("output"),
    "content_policy_violation": _error(400, "content_policy_violation", _FILTERED),
    "azure_content_filter": _error(
        400, "content_policy_violation", _FILTERED, details={"inner_error": {"code": "ResponsibleAIPolicyViolation"}}
    ),
    "invalid_value": _error(400, "invalid_value", "Invalid size '4096x4096'.", USER_ERROR, param="size"),
    "unknown_parameter": _error(
        400, "unknown_parameter", "Unknown parameter: 'response_format'.", param="response_format"
    ),
    "billing_hard_limit_reached": _error(400, "billing_hard_limit_reached", "Billing hard limit has been reached"),
    "invalid_api_key": _error(401, "invalid_api_key", "Incorrect API key provided: sk-*******oken."),
    "organization_unverified": _error(403, None, "Your organization must be verified to use the model `{model}`."),
    "unsupported_country": _error(
        403, "unsupported_country_region_territory", "Country, region, or territory not supported", "request_forbidden"
    ),
    "model_not_found": _error(404, "model_not_found", "The model '{model}' does not exist.", param="model"),
    # The form in which the Images API refused retired models.
    "model_does_not_exist": _error(
        400, "invalid_value", "The model '{model}' does not exist.", USER_ERROR, param="model"
    ),
    "rate_limit_exceeded": _rate_limit(),
    "rate_limit_retry_after": _rate_limit(1),
    "rate_limit_retry_after_date": _rate_limit(2, "date"),
    "rate_limit_retry_after_ms": _rate_limit(0.25, "milliseconds"),
    "slow_down": _error(429, "slow_down", "Your traffic increased too quickly.", "rate_limit_error", retry_after=1),
    **{code: _error(429, code, message, "insufficient_quota") for code, message in _NO_MONEY.items()},
    "server_error": _error(500, "server_error", "The server had an error.", "server_error"),
    "server_is_overloaded": _error(
        503, "server_is_overloaded", "The server is currently overloaded.", "service_unavailable_error"
    ),
    "models_restricted_key": _error(403, "missing_scope", "Missing scopes: api.model.read.", route=Route.MODELS),
    "status": Fault(bills=False, status=418, body={"error": "teapot"}),
}

# A gateway in front of the API sends no request id and no limits.
_GATEWAY_HEADERS: Mapping[str, str | None] = {"Server": "cloudflare", **dict.fromkeys(API_HEADERS)}


def _gateway(status: int, *, bills: bool) -> Fault:
    body = f"<html><body><h1>{status} from the gateway</h1></body></html>"
    return Fault(bills=bills, status=status, body=body, headers=_GATEWAY_HEADERS)


def _odd_error(status: int, body: object) -> Fault:
    return Fault(bills=False, status=status, body=body)


_HTML = "<!DOCTYPE html><html><body><p>This is no picture.</p></body></html>"
_WRONG = "Something is wrong."
_PYDANTIC = {"type": "extra_forbidden", "loc": ["body", "quality"], "msg": "Extra inputs are not permitted"}
_ODD_ERRORS = {
    "error_code_null": _error(400, None, _WRONG),
    "error_type_missing": _odd_error(400, {"error": {"message": _WRONG, "code": None}}),
    "error_code_number": _odd_error(404, {"error": {"code": 404, "message": _WRONG, "status": "NOT_FOUND"}}),
    "error_detail": _odd_error(400, {"detail": _WRONG}),
    "error_detail_list": _odd_error(422, {"detail": [_PYDANTIC]}),
    "error_string": _odd_error(400, {"error": _WRONG}),
    "error_null": _odd_error(400, {"error": None}),
    "error_list": _odd_error(400, [{"error": {"message": _WRONG}}]),
    "error_not_json": _odd_error(400, _HTML),
    "error_empty": _odd_error(500, ""),
    "gateway_500": _gateway(500, bills=False),
    "gateway_502": _gateway(502, bills=False),
    "gateway_502_billed": _gateway(502, bills=True),
    "gateway_503": _gateway(503, bills=False),
    "gateway_504": _gateway(504, bills=True),
    "gateway_520": _gateway(520, bills=True),
    "gateway_524": _gateway(524, bills=True),
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
    "body_drips": Fault(bills=True, delivery=Delivery.BODY_DRIPS),
    "headers_drip": Fault(bills=True, delivery=Delivery.HEADERS_DRIP),
    "body_oversize": Fault(bills=True, delivery=Delivery.OVERSIZE),
}

_SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="1024" height="1024"><script>alert(1)</script></svg>'
_ODD_SUCCESSES = {
    "data_empty": Fault(bills=True, status=200, body={"created": 1, "data": []}),
    "data_null": Fault(bills=True, status=200, body={"created": 1, "data": None}),
    "data_absent": Fault(bills=True, status=200, body={"created": 1}),
    "body_not_an_object": Fault(bills=True, status=200, body=[{"b64_json": "AAAA"}]),
    "body_not_json": Fault(bills=True, status=200, body=_HTML),
    "body_empty": Fault(bills=True, status=200, body=""),
    "entry_empty": Fault(bills=True, entry={}),
    "base64_invalid": Fault(bills=True, entry={"b64_json": "this is *not* base64!"}),
    "base64_data_url": Fault(bills=True, entry={"b64_json": "data:image/png;base64,{base64}"}),
    "picture_jpeg": Fault(bills=True, picture_format="jpeg"),
    "picture_webp": Fault(bills=True, picture_format="webp"),
    "picture_html": Fault(bills=True, picture=_HTML.encode()),
    "picture_svg": Fault(bills=True, picture=_SVG),
    "picture_empty": Fault(bills=True, picture=b""),
}


def _url(url: str = PICTURE_URL, **download: Any) -> Fault:  # noqa: ANN401 - fields of Fault
    """Return a response with a URL. download: the fault of the downloads."""
    return Fault(
        bills=True, url=url, download=Fault(bills=False, route=Route.PICTURES, **download) if download else None
    )


def _redirect(location: str) -> Fault:
    return _url(status=302, body="", headers={"Location": location})


_DOWNLOADS = {
    "url": _url(),
    "url_not_found": _url(status=404, body="<Error><Code>BlobNotFound</Code></Error>"),
    "url_forbidden": _url(status=403, body="<Error><Code>AuthenticationFailed</Code></Error>"),
    "url_unavailable": _url(status=503, body=""),
    "url_redirects": _redirect("{root}/pictures/moved/{id}.png"),
    "url_redirects_to_private_address": _redirect("http://169.254.169.254/latest/meta-data/"),
    "url_redirects_to_foreign_host": _redirect("https://pictures.example/{id}.png"),
    "url_redirects_to_file": _redirect("file:///etc/passwd"),
    "url_redirect_loop": _redirect("{url}"),
    "url_closed": _url(delivery=Delivery.CLOSED),
    "url_reset": _url(delivery=Delivery.RESET),
    "url_truncated": _url(delivery=Delivery.TRUNCATED),
    "url_drips": _url(delivery=Delivery.BODY_DRIPS),
    "url_oversize": _url(delivery=Delivery.OVERSIZE),
    "url_html": _url(status=200, body=_HTML, headers={"Content-Type": "image/png"}),
    "url_private_address": _url("http://169.254.169.254/latest/meta-data/{id}.png"),
    "url_foreign_host": _url("https://pictures.example/{id}.png"),
    "url_ftp": _url("ftp://pictures.example/{id}.png"),
    "url_file": _url("file:///etc/passwd"),
    "url_not_a_url": _url("pictures/{id}.png"),
}

CATALOGUE: Mapping[str, Fault] = {**_ERRORS, **_ODD_ERRORS, **_CONNECTIONS, **_ODD_SUCCESSES, **_DOWNLOADS}
"""Every fault by name. `[name]` in a prompt provokes it; docs/bought-once.md has the effect of each."""
