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
    status, body, headers: the response. A body is JSON, or text where it is a string. A header that is None is left
        out. In a header, `{root}` is the server's address, `{id}` the picture's, `{url}` the whole URL.
    retry_after, retry_after_form: seconds, sent as "seconds", as an HTTP "date" or as "milliseconds".
    delivery: how the bytes travel. pause: seconds between two pieces that drip. size: bytes of an oversize response;
        blanks follow the body, so that it stays valid JSON, or a valid picture.
    picture_format: the true format of the picture. picture: bytes instead of a picture.
    entry: `data[0]` instead of `{"b64_json": …}`; in it, `{base64}` is the picture.
    url: the response names this URL; `{root}` and `{id}` as above. download: the fault of the first `downloads`
        downloads from it (None: of all).
    """

    description: str
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


NO_FAULT = Fault(description="none", bills=True)


def _error(
    description: str,
    status: int,
    code: str | None,
    message: str,
    kind: str = INVALID_REQUEST,
    *,
    param: str | None = None,
    details: Mapping[str, object] | None = None,
    **fields: Any,  # noqa: ANN401 - those of Fault
) -> Fault:
    error = {"message": message, "type": kind, "param": param, "code": code, **(details or {})}
    return Fault(description=f"{status}: {description}", bills=False, status=status, body={"error": error}, **fields)


def _moderation(stage: str) -> Fault:
    return _error(
        f"moderation refuses the {stage}",
        400,
        "moderation_blocked",
        "Your request was rejected by the safety system. If you believe this is an error, contact us at "
        "help.openai.com and include the request ID. safety_violations=[violence].",
        USER_ERROR,
        details={"moderation_details": {"moderation_stage": stage, "categories": ["violence"]}},
    )


def _rate_limit(description: str, retry_after: float | None = None, form: str = "seconds") -> Fault:
    message = "Rate limit exceeded for images per minute in organization org-stand-in. Limit: 5/1min. Current: 6/1min."
    return _error(
        f"too many pictures a minute, {description}",
        429,
        "rate_limit_exceeded",
        message,
        "requests",
        retry_after=retry_after,
        retry_after_form=form,
    )


_NO_MONEY = {
    "insufficient_quota": "You exceeded your current quota, please check your plan and billing details.",
    "credit_balance_exhausted": "Your credit balance is exhausted. Add credits to continue.",
    "organization_spend_limit_exceeded": "Your organization has reached its monthly spend limit.",
    "project_spend_limit_exceeded": "This project has reached its monthly spend limit.",
    "organization_usage_limit_exceeded": "Your organization has reached its monthly usage limit.",
}
_SAFETY = "Your request was rejected as a result of our safety system."
_ERRORS = {
    "moderation_blocked": _moderation("input"),
    "moderation_blocked_output": _moderation("output"),
    "content_policy_violation": _error(
        "the content filter of the DALL·E models", 400, "content_policy_violation", _SAFETY
    ),
    "azure_content_filter": _error(
        "the content filter of Azure, with an inner error",
        400,
        "content_policy_violation",
        _SAFETY,
        details={
            "inner_error": {
                "code": "ResponsibleAIPolicyViolation",
                "content_filter_results": {"violence": {"filtered": True, "severity": "high"}},
            }
        },
    ),
    "invalid_value": _error(
        "a size that the model does not draw",
        400,
        "invalid_value",
        "Invalid size '4096x4096'. The longest edge must be less than or equal to 3840.",
        USER_ERROR,
        param="size",
    ),
    "unknown_parameter": _error(
        "a parameter that the model does not know",
        400,
        "unknown_parameter",
        "Unknown parameter: 'response_format'.",
        param="response_format",
    ),
    "billing_hard_limit_reached": _error(
        "the billing limit", 400, "billing_hard_limit_reached", "Billing hard limit has been reached"
    ),
    "invalid_api_key": _error(
        "a wrong key",
        401,
        "invalid_api_key",
        "Incorrect API key provided: sk-*******oken. You can find your API key at "
        "https://platform.openai.com/account/api-keys.",
    ),
    "organization_unverified": _error(
        "the organization is not verified; the code is null",
        403,
        None,
        "Your organization must be verified to use the model `gpt-image-2.6-flare`. Please go to: "
        "https://platform.openai.com/settings/organization/general and click on Verify Organization. If you just "
        "verified, it can take up to 15 minutes for access to propagate.",
    ),
    "unsupported_country": _error(
        "a country without service",
        403,
        "unsupported_country_region_territory",
        "Country, region, or territory not supported",
        "request_forbidden",
    ),
    "model_not_found": _error(
        "no such model, in the form of OpenAI's other endpoints",
        404,
        "model_not_found",
        "The model 'dall-e-3' does not exist or you do not have access to it.",
        param="model",
    ),
    "model_does_not_exist": _error(
        "no such model, in the form of the Images API",
        400,
        "invalid_value",
        "The model 'dall-e-3' does not exist.",
        USER_ERROR,
        param="model",
    ),
    "rate_limit_exceeded": _rate_limit("without Retry-After"),
    "rate_limit_retry_after": _rate_limit("with Retry-After in seconds", 1),
    "rate_limit_retry_after_date": _rate_limit("with Retry-After as an HTTP date", 2, "date"),
    "rate_limit_retry_after_ms": _rate_limit("with retry-after-ms", 0.25, "milliseconds"),
    "slow_down": _error(
        "the load grew too fast",
        429,
        "slow_down",
        "Your traffic has increased too quickly. Reduce the rate of requests and increase it gradually.",
        "rate_limit_error",
        retry_after=1,
    ),
    **{
        code: _error("no money left; a retry does not help", 429, code, message, "insufficient_quota")
        for code, message in _NO_MONEY.items()
    },
    "server_error": _error(
        "an error object",
        500,
        "server_error",
        "The server had an error while processing your request. Sorry about that!",
        "server_error",
    ),
    "server_is_overloaded": _error(
        "an error object",
        503,
        "server_is_overloaded",
        "The server is currently overloaded with other requests. Please try again later.",
        "service_unavailable_error",
    ),
    "models_restricted_key": _error(
        "the key may not read models",
        403,
        "missing_scope",
        "You have insufficient permissions for this operation. Missing scopes: api.model.read.",
        route=Route.MODELS,
    ),
    "status": Fault(description="any status, body and headers", bills=False, status=418, body={"error": "teapot"}),
}

# A gateway in front of the API sends no request id and no limits.
_GATEWAY_HEADERS: Mapping[str, str | None] = {"Server": "cloudflare", **dict.fromkeys(API_HEADERS)}


def _gateway(status: int, title: str, *, bills: bool) -> Fault:
    return Fault(
        description=f"{status}: a gateway's HTML page, {'after' if bills else 'before'} the picture is billed",
        bills=bills,
        status=status,
        body=f"<html><head><title>{status} {title}</title></head><body><h1>{status} {title}</h1></body></html>",
        headers=_GATEWAY_HEADERS,
    )


def _odd_error(status: int, description: str, body: object, *, bills: bool = False) -> Fault:
    return Fault(description=f"{status}: {description}", bills=bills, status=status, body=body)


_HTML = "<!DOCTYPE html><html><body><p>This is no picture.</p></body></html>"
_WRONG = "Something is wrong."
_ODD_ERRORS = {
    "error_code_null": _odd_error(
        400, "the code is null", {"error": {"message": _WRONG, "type": INVALID_REQUEST, "param": None, "code": None}}
    ),
    "error_type_missing": _odd_error(400, "a message alone", {"error": {"message": _WRONG, "code": None}}),
    "error_code_number": _odd_error(
        404, "the code is a number", {"error": {"code": 404, "message": "No such model.", "status": "NOT_FOUND"}}
    ),
    "error_detail": _odd_error(400, "the body is {detail: text}", {"detail": _WRONG}),
    "error_detail_list": _odd_error(
        422,
        "the body is {detail: [problems]}",
        {"detail": [{"type": "extra_forbidden", "loc": ["body", "quality"], "msg": "Extra inputs are not permitted"}]},
    ),
    "error_string": _odd_error(400, "the error is a string", {"error": _WRONG}),
    "error_null": _odd_error(400, "the error is null", {"error": None}),
    "error_list": _odd_error(400, "the body is a list", [{"error": {"message": _WRONG}}]),
    "error_not_json": _odd_error(400, "the body is HTML", _HTML),
    "error_empty": _odd_error(500, "the body is empty", ""),
    "gateway_500": _gateway(500, "Internal Server Error", bills=False),
    "gateway_502": _gateway(502, "Bad Gateway", bills=False),
    "gateway_502_billed": _gateway(502, "Bad Gateway", bills=True),
    "gateway_503": _gateway(503, "Service Unavailable", bills=False),
    "gateway_504": _gateway(504, "Gateway Time-out", bills=True),
    "gateway_520": _gateway(520, "Web server is returning an unknown error", bills=True),
    "gateway_524": _gateway(524, "A timeout occurred", bills=True),
    "gateway_408": _odd_error(
        408,
        "Azure's gateway ends a request after 60 silent seconds; the picture is billed",
        {"error": {"code": "Timeout", "message": "The operation was timeout."}},
        bills=True,
    ),
}


def _connection(
    description: str, delivery: Delivery = Delivery.WHOLE, *, bills: bool = True, delay: float = 0
) -> Fault:
    return Fault(description=description, bills=bills, delivery=delivery, delay=delay)


_CONNECTIONS = {
    "delay": _connection("a good response, late; billed although the client may have gone", delay=1),
    "closed_before_billing": _connection("the connection closes; nothing is billed", Delivery.CLOSED, bills=False),
    "closed_after_billing": _connection("the connection closes; the picture is billed", Delivery.CLOSED),
    "reset_before_billing": _connection("the connection is reset; nothing is billed", Delivery.RESET, bills=False),
    "reset_after_billing": _connection("the connection is reset; the picture is billed", Delivery.RESET),
    "body_truncated": _connection("half of the body that Content-Length promises", Delivery.TRUNCATED),
    "body_drips": _connection("the body comes in pieces, with pauses", Delivery.BODY_DRIPS),
    "headers_drip": _connection("the headers come one by one, with pauses", Delivery.HEADERS_DRIP),
    "body_oversize": _connection("the body is far too large", Delivery.OVERSIZE),
}


def _success(description: str, **fields: Any) -> Fault:  # noqa: ANN401 - those of Fault
    return Fault(description=f"200: {description}", bills=True, **fields)


_SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="1024" height="1024"><script>alert(1)</script></svg>'
_ODD_SUCCESSES = {
    "data_empty": _success("data is []", status=200, body={"created": 1, "data": []}),
    "data_null": _success("data is null", status=200, body={"created": 1, "data": None}),
    "data_absent": _success("no data", status=200, body={"created": 1}),
    "body_not_an_object": _success("the body is a list", status=200, body=[{"b64_json": "AAAA"}]),
    "body_not_json": _success("the body is HTML", status=200, body=_HTML),
    "body_empty": _success("the body is empty", status=200, body=""),
    "entry_empty": _success("data[0] is {}", entry={}),
    "base64_invalid": _success("the base64 is not valid", entry={"b64_json": "this is *not* base64!"}),
    "base64_data_url": _success("the base64 is a data: URL", entry={"b64_json": "data:image/png;base64,{base64}"}),
    "picture_jpeg": _success("the picture is a JPEG", picture_format="jpeg"),
    "picture_webp": _success("the picture is a WebP", picture_format="webp"),
    "picture_html": _success("the picture is HTML", picture=_HTML.encode()),
    "picture_svg": _success("the picture is an SVG", picture=_SVG),
    "picture_empty": _success("the picture is empty", picture=b""),
}


def _url(description: str, url: str = PICTURE_URL, **download: Any) -> Fault:  # noqa: ANN401 - fields of Fault
    fault = Fault(description=description, bills=False, route=Route.PICTURES, **download) if download else None
    return Fault(description=f"200: a URL {description}", bills=True, url=url, download=fault)


def _redirect(description: str, location: str) -> Fault:
    return _url(f"that redirects to {description}", status=302, body="", headers={"Location": location})


def _blob_error(code: str, message: str) -> str:
    return f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'


_DOWNLOADS = {
    "url": _url("that works"),
    "url_not_found": _url(
        "whose picture does not exist",
        status=404,
        body=_blob_error("BlobNotFound", "The specified blob does not exist."),
    ),
    "url_forbidden": _url(
        "whose signature has expired",
        status=403,
        body=_blob_error("AuthenticationFailed", "Signature not valid in the time frame."),
    ),
    "url_unavailable": _url("whose host is overloaded", status=503, body=""),
    "url_redirects": _redirect("another path of its host", "{root}/pictures/moved/{id}.png"),
    "url_redirects_to_private_address": _redirect("a private address", "http://169.254.169.254/latest/meta-data/"),
    "url_redirects_to_foreign_host": _redirect("a foreign host", "https://pictures.example/{id}.png"),
    "url_redirects_to_file": _redirect("a file", "file:///etc/passwd"),
    "url_redirect_loop": _redirect("itself", "{url}"),
    "url_closed": _url("whose connection closes", delivery=Delivery.CLOSED),
    "url_reset": _url("whose connection is reset", delivery=Delivery.RESET),
    "url_truncated": _url("whose picture ends half-way", delivery=Delivery.TRUNCATED),
    "url_drips": _url("whose picture comes in pieces, with pauses", delivery=Delivery.BODY_DRIPS),
    "url_oversize": _url("whose picture is far too large", delivery=Delivery.OVERSIZE),
    "url_html": _url("of HTML as image/png", status=200, body=_HTML, headers={"Content-Type": "image/png"}),
    "url_private_address": _url("at a private address", "http://169.254.169.254/latest/meta-data/{id}.png"),
    "url_foreign_host": _url("at a foreign host", "https://pictures.example/{id}.png"),
    "url_ftp": _url("with the scheme ftp", "ftp://pictures.example/{id}.png"),
    "url_file": _url("with the scheme file", "file:///etc/passwd"),
    "url_not_a_url": _url("without scheme and host", "pictures/{id}.png"),
}

CATALOGUE: Mapping[str, Fault] = {**_ERRORS, **_ODD_ERRORS, **_CONNECTIONS, **_ODD_SUCCESSES, **_DOWNLOADS}
"""Every fault by name. `[name]` in a prompt provokes it; docs/api.md and docs/bought-once.md have its table."""
