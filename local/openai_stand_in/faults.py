"""Every way in which the stand-in can fail, by name.

The error answers are those of OpenAI's error guide and of answers seen in public issue trackers; the odd ones come from
gateways and from hosts that speak the same protocol. `CATALOGUE` is made to be read by other code too: a test that goes
through it, a table in the documentation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from .protocol import INVALID_REQUEST, USER_ERROR

if TYPE_CHECKING:
    from collections.abc import Mapping

MEBIBYTE = 1024 * 1024


class Route(StrEnum):
    """What a fault strikes."""

    GENERATIONS = "generations"
    MODELS = "models"
    PICTURES = "pictures"


class Delivery(StrEnum):
    """How an answer's bytes travel."""

    WHOLE = "whole"
    CLOSED = "closed"
    RESET = "reset"
    TRUNCATED = "truncated"
    HEADERS_DRIP = "headers drip"
    BODY_DRIPS = "body drips"
    OVERSIZE = "oversize"

    @property
    def answers(self) -> bool:
        """Whether the caller sees a status."""
        return self not in {Delivery.CLOSED, Delivery.RESET}

    @property
    def completes(self) -> bool:
        """Whether the answer comes to its end, so that the connection can serve another."""
        return self.answers and self is not Delivery.TRUNCATED


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One way to fail; whatever is left alone stays as OpenAI does it.

    bills: whether the pictures are generated, and billed, before the fault shows.
    delay: seconds to wait before anything else.
    status, body, headers: the answer. A body is JSON, or text where it is a string. A header that is None is left out;
        in a header, `{root}` stands for the server's address, `{id}` for the picture's and `{url}` for the whole URL.
    retry_after, retry_after_form: seconds, told as "seconds", as an HTTP "date" or as "milliseconds".
    delivery: how the bytes travel. `pause`: seconds between two pieces that drip. `size`: bytes beyond which an
        oversize answer goes on: it is followed by blanks, so that it stays valid JSON, or a valid picture.
    picture_format: the true format of the bytes, whatever was asked for. `picture`: bytes instead of a picture.
    entry: `data[0]` instead of `{"b64_json": …}`; in it, `{base64}` stands for the picture.
    url: answer by this URL; `{root}` and `{id}` as above. `download`: what strikes whoever follows the URL, the first
        `downloads` times (None: every time).
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
    size: int = 64 * MEBIBYTE
    picture_format: str | None = None
    picture: bytes | None = None
    entry: Mapping[str, str] | None = None
    url: str | None = None
    download: Fault | None = None
    downloads: int | None = None


def _error(  # noqa: PLR0913 - an error object's fields
    description: str,
    status: int,
    code: str | None,
    message: str,
    *,
    kind: str = INVALID_REQUEST,
    param: str | None = None,
    details: Mapping[str, object] | None = None,
    retry_after: float | None = None,
    retry_after_form: str = "seconds",
    route: Route = Route.GENERATIONS,
) -> Fault:
    error = {"message": message, "type": kind, "param": param, "code": code, **(details or {})}
    return Fault(
        description=description,
        bills=False,
        status=status,
        body={"error": error},
        retry_after=retry_after,
        retry_after_form=retry_after_form,
        route=route,
    )


def _moderation(stage: str) -> Fault:
    return _error(
        f"400: moderation stopped the request at its {stage}",
        400,
        "moderation_blocked",
        "Your request was rejected by the safety system. If you believe this is an error, contact us at "
        "help.openai.com and include the request ID. safety_violations=[violence].",
        kind=USER_ERROR,
        details={"moderation_details": {"moderation_stage": stage, "categories": ["violence"]}},
    )


def _rate_limit(description: str, retry_after: float | None = None, form: str = "seconds") -> Fault:
    return _error(
        description,
        429,
        "rate_limit_exceeded",
        "Rate limit exceeded for images per minute in organization org-stand-in. Limit: 5/1min. Current: 6/1min.",
        kind="requests",
        retry_after=retry_after,
        retry_after_form=form,
    )


def _out_of_money(code: str, message: str) -> Fault:
    return _error(f"429 that no waiting mends: {code}", 429, code, message, kind="insufficient_quota")


# A gateway in front of the API knows nothing of its request ids and limits.
_GATEWAY_HEADERS: Mapping[str, str | None] = {
    "Content-Type": "text/html; charset=UTF-8",
    "Server": "cloudflare",
    "x-request-id": None,
    "openai-processing-ms": None,
    "openai-version": None,
    "openai-organization": None,
    "x-ratelimit-limit-requests": None,
    "x-ratelimit-remaining-requests": None,
    "x-ratelimit-reset-requests": None,
}


def _gateway(status: int, title: str, *, bills: bool) -> Fault:
    known = "after the picture was billed" if bills else "before the request got anywhere"
    return Fault(
        description=f"{status} as a gateway's HTML page, {known}",
        bills=bills,
        status=status,
        body=f"<html><head><title>{status} {title}</title></head><body><h1>{status} {title}</h1></body></html>",
        headers=_GATEWAY_HEADERS,
    )


def _odd_error(description: str, status: int, body: object) -> Fault:
    return Fault(description=description, bills=False, status=status, body=body)


def _odd_success(description: str, body: object) -> Fault:
    return Fault(description=f"200 {description}", bills=True, status=200, body=body)


PICTURE_URL = "{root}/pictures/{id}.png"


def _url(description: str, url: str = PICTURE_URL, download: Fault | None = None) -> Fault:
    return Fault(description=f"an answer by URL {description}", bills=True, url=url, download=download)


def _download(
    status: int | None = None,
    body: object = None,
    *,
    delivery: Delivery = Delivery.WHOLE,
    headers: Mapping[str, str | None] | None = None,
) -> Fault:
    return Fault(
        description="a download that fails",
        bills=False,
        route=Route.PICTURES,
        status=status,
        body=body,
        delivery=delivery,
        headers=headers or {},
    )


def _redirect(location: str) -> Fault:
    return _download(302, "", headers={"Location": location})


_HTML = "<!DOCTYPE html><html><body><p>This is no picture.</p></body></html>"
_SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="1024" height="1024"><script>alert(1)</script></svg>'
_BLOB_ERROR = '<?xml version="1.0" encoding="utf-8"?><Error><Code>{}</Code><Message>{}</Message></Error>'

_REFUSED: dict[str, Fault] = {
    "moderation_blocked": _moderation("input"),
    "moderation_blocked_output": _moderation("output"),
    "content_policy_violation": _error(
        "400: the content filter of the DALL·E era",
        400,
        "content_policy_violation",
        "Your request was rejected as a result of our safety system. Your prompt may contain text that is not allowed "
        "by our safety system.",
    ),
    "azure_content_filter": _error(
        "400: the content filter as Azure tells it, with an inner error",
        400,
        "content_policy_violation",
        "Your request was rejected as a result of our safety system.",
        details={
            "inner_error": {
                "code": "ResponsibleAIPolicyViolation",
                "content_filter_results": {"violence": {"filtered": True, "severity": "high"}},
            }
        },
    ),
    "invalid_value": _error(
        "400: a size that the model does not draw",
        400,
        "invalid_value",
        "Invalid size '4096x4096'. The longest edge must be less than or equal to 3840.",
        kind=USER_ERROR,
        param="size",
    ),
    "unknown_parameter": _error(
        "400: a parameter that the model does not know",
        400,
        "unknown_parameter",
        "Unknown parameter: 'response_format'.",
        param="response_format",
    ),
    "billing_hard_limit_reached": _error(
        "400, and not 429: the billing limit", 400, "billing_hard_limit_reached", "Billing hard limit has been reached"
    ),
    "invalid_api_key": _error(
        "401: the key is wrong",
        401,
        "invalid_api_key",
        "Incorrect API key provided: sk-*******oken. You can find your API key at "
        "https://platform.openai.com/account/api-keys.",
    ),
    "organization_unverified": _error(
        "403 with a null code: the organization must be verified first",
        403,
        None,
        "Your organization must be verified to use the model `gpt-image-2.6-flare`. Please go to: "
        "https://platform.openai.com/settings/organization/general and click on Verify Organization. If you just "
        "verified, it can take up to 15 minutes for access to propagate.",
    ),
    "unsupported_country": _error(
        "403: the country is not served",
        403,
        "unsupported_country_region_territory",
        "Country, region, or territory not supported",
        kind="request_forbidden",
    ),
    "model_not_found": _error(
        "404: no such model, as OpenAI's other endpoints tell it",
        404,
        "model_not_found",
        "The model 'dall-e-3' does not exist or you do not have access to it.",
        param="model",
    ),
    "model_does_not_exist": _error(
        "400: no such model, as the Images API tells it",
        400,
        "invalid_value",
        "The model 'dall-e-3' does not exist.",
        kind=USER_ERROR,
        param="model",
    ),
    "rate_limit_exceeded": _rate_limit("429: too many pictures a minute, with no word on when to come back"),
    "rate_limit_retry_after": _rate_limit("429 with Retry-After in seconds", 1),
    "rate_limit_retry_after_date": _rate_limit("429 with Retry-After as an HTTP date", 2, "date"),
    "rate_limit_retry_after_ms": _rate_limit("429 with retry-after-ms", 0.25, "milliseconds"),
    "slow_down": _error(
        "429: the load grew too fast",
        429,
        "slow_down",
        "Your traffic has increased too quickly. Reduce the rate of requests and increase it gradually.",
        kind="rate_limit_error",
        retry_after=1,
    ),
    "insufficient_quota": _out_of_money(
        "insufficient_quota", "You exceeded your current quota, please check your plan and billing details."
    ),
    "credit_balance_exhausted": _out_of_money(
        "credit_balance_exhausted", "Your credit balance is exhausted. Add credits to continue."
    ),
    "organization_spend_limit_exceeded": _out_of_money(
        "organization_spend_limit_exceeded", "Your organization has reached its monthly spend limit."
    ),
    "project_spend_limit_exceeded": _out_of_money(
        "project_spend_limit_exceeded", "This project has reached its monthly spend limit."
    ),
    "organization_usage_limit_exceeded": _out_of_money(
        "organization_usage_limit_exceeded", "Your organization has reached its monthly usage limit."
    ),
    "server_error": _error(
        "500 with an error object",
        500,
        "server_error",
        "The server had an error while processing your request. Sorry about that!",
        kind="server_error",
    ),
    "server_is_overloaded": _error(
        "503 with an error object",
        503,
        "server_is_overloaded",
        "The server is currently overloaded with other requests. Please try again later.",
        kind="service_unavailable_error",
    ),
    "models_restricted_key": _error(
        "403 to GET /v1/models/{id}: the key may not read models",
        403,
        "missing_scope",
        "You have insufficient permissions for this operation. Missing scopes: api.model.read.",
        route=Route.MODELS,
    ),
    "status": Fault(description="any status, body and headers", bills=False, status=418, body={"error": "teapot"}),
}

_ODD_ERRORS: dict[str, Fault] = {
    "error_code_null": _odd_error(
        "400 whose code is null",
        400,
        {"error": {"message": "Something is wrong.", "type": INVALID_REQUEST, "param": None, "code": None}},
    ),
    "error_type_missing": _odd_error(
        "400 with a message alone", 400, {"error": {"message": "Something is wrong.", "code": None}}
    ),
    "error_code_number": _odd_error(
        "404 with a number for a code and no type",
        404,
        {"error": {"code": 404, "message": "The model is not found.", "status": "NOT_FOUND"}},
    ),
    "error_detail": _odd_error("400 as {detail: text}", 400, {"detail": "Something is wrong."}),
    "error_detail_list": _odd_error(
        "422 as {detail: [problems]}",
        422,
        {"detail": [{"type": "extra_forbidden", "loc": ["body", "quality"], "msg": "Extra inputs are not permitted"}]},
    ),
    "error_string": _odd_error("400 whose error is a bare string", 400, {"error": "Something is wrong."}),
    "error_null": _odd_error("400 whose error is null", 400, {"error": None}),
    "error_list": _odd_error("400 as a list", 400, [{"error": {"message": "Something is wrong."}}]),
    "error_not_json": _odd_error("400 that is no JSON", 400, _HTML),
    "error_empty": _odd_error("500 with an empty body", 500, ""),
    "gateway_500": _gateway(500, "Internal Server Error", bills=False),
    "gateway_502": _gateway(502, "Bad Gateway", bills=False),
    "gateway_502_billed": _gateway(502, "Bad Gateway", bills=True),
    "gateway_503": _gateway(503, "Service Unavailable", bills=False),
    "gateway_504": _gateway(504, "Gateway Time-out", bills=True),
    "gateway_520": _gateway(520, "Web server is returning an unknown error", bills=True),
    "gateway_524": _gateway(524, "A timeout occurred", bills=True),
    "gateway_408": Fault(
        description="408 as Azure's gateway gives it after 60 silent seconds, after the picture was billed",
        bills=True,
        status=408,
        body={"error": {"code": "Timeout", "message": "The operation was timeout."}},
    ),
}

_CONNECTION: dict[str, Fault] = {
    "delay": Fault(description="a good answer, late; billed even when nobody waits for it", bills=True, delay=1),
    "closed_before_billing": Fault(
        description="the connection closes before anything is billed", bills=False, delivery=Delivery.CLOSED
    ),
    "closed_after_billing": Fault(
        description="the connection closes once the picture is billed", bills=True, delivery=Delivery.CLOSED
    ),
    "reset_before_billing": Fault(
        description="the connection is reset before anything is billed", bills=False, delivery=Delivery.RESET
    ),
    "reset_after_billing": Fault(
        description="the connection is reset once the picture is billed", bills=True, delivery=Delivery.RESET
    ),
    "body_truncated": Fault(
        description="half of the body that Content-Length promises", bills=True, delivery=Delivery.TRUNCATED
    ),
    "body_drips": Fault(
        description="a body that comes in pieces, with pauses", bills=True, delivery=Delivery.BODY_DRIPS
    ),
    "headers_drip": Fault(
        description="headers that come one by one, with pauses", bills=True, delivery=Delivery.HEADERS_DRIP
    ),
    "body_oversize": Fault(description="an answer that goes on and on", bills=True, delivery=Delivery.OVERSIZE),
}

_ODD_SUCCESSES: dict[str, Fault] = {
    "data_empty": _odd_success("with no picture: data is []", {"created": 1, "data": []}),
    "data_null": _odd_success("with no picture: data is null", {"created": 1, "data": None}),
    "data_absent": _odd_success("with no picture: no data", {"created": 1}),
    "body_not_an_object": _odd_success("with a list for a body", [{"b64_json": "AAAA"}]),
    "body_not_json": _odd_success("with HTML for a body", _HTML),
    "body_empty": _odd_success("with an empty body", ""),
    "entry_empty": Fault(description="200 whose data[0] holds neither bytes nor URL", bills=True, entry={}),
    "base64_invalid": Fault(
        description="200 whose base64 is none", bills=True, entry={"b64_json": "this is *not* base64!"}
    ),
    "base64_data_url": Fault(
        description="200 whose base64 has a data: prefix",
        bills=True,
        entry={"b64_json": "data:image/png;base64,{base64}"},
    ),
    "picture_jpeg": Fault(description="JPEG bytes, whatever was asked for", bills=True, picture_format="jpeg"),
    "picture_webp": Fault(description="WebP bytes, whatever was asked for", bills=True, picture_format="webp"),
    "picture_html": Fault(description="HTML for a picture", bills=True, picture=_HTML.encode()),
    "picture_svg": Fault(description="SVG for a picture", bills=True, picture=_SVG.encode()),
    "picture_empty": Fault(description="no bytes for a picture", bills=True, picture=b""),
}

_DOWNLOADS: dict[str, Fault] = {
    "url": _url("that works"),
    "url_not_found": _url(
        "that is not found",
        download=_download(404, _BLOB_ERROR.format("BlobNotFound", "The specified blob does not exist.")),
    ),
    "url_forbidden": _url(
        "whose signature has expired",
        download=_download(403, _BLOB_ERROR.format("AuthenticationFailed", "Signature not valid in the time frame.")),
    ),
    "url_unavailable": _url("whose host is overloaded", download=_download(503, "")),
    "url_redirects": _url(
        "that redirects to another path of its host", download=_redirect("{root}/pictures/moved/{id}.png")
    ),
    "url_redirects_to_private_address": _url(
        "that redirects to a private address", download=_redirect("http://169.254.169.254/latest/meta-data/")
    ),
    "url_redirects_to_foreign_host": _url(
        "that redirects to a foreign host", download=_redirect("https://pictures.example/{id}.png")
    ),
    "url_redirects_to_file": _url("that redirects to a file", download=_redirect("file:///etc/passwd")),
    "url_redirect_loop": _url("that redirects to itself", download=_redirect("{url}")),
    "url_closed": _url("whose connection closes", download=_download(delivery=Delivery.CLOSED)),
    "url_reset": _url("whose connection is reset", download=_download(delivery=Delivery.RESET)),
    "url_truncated": _url("that ends half-way", download=_download(delivery=Delivery.TRUNCATED)),
    "url_drips": _url("that comes in pieces, with pauses", download=_download(delivery=Delivery.BODY_DRIPS)),
    "url_oversize": _url("that goes on and on", download=_download(delivery=Delivery.OVERSIZE)),
    "url_html": _url(
        "that gives HTML as image/png", download=_download(200, _HTML, headers={"Content-Type": "image/png"})
    ),
    "url_private_address": _url("at a private address", "http://169.254.169.254/latest/meta-data/{id}.png"),
    "url_foreign_host": _url("at a foreign host", "https://pictures.example/{id}.png"),
    "url_ftp": _url("of another scheme", "ftp://pictures.example/{id}.png"),
    "url_file": _url("of a file", "file:///etc/passwd"),
    "url_not_a_url": _url("that is none", "pictures/{id}.png"),
}

CATALOGUE: Mapping[str, Fault] = {**_REFUSED, **_ODD_ERRORS, **_CONNECTION, **_ODD_SUCCESSES, **_DOWNLOADS}
"""Every fault by name: what it is (`description`) and whether it bills (`bills`)."""
