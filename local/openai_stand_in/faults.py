"""Every way in which the stand-in can fail, by name.

To the errors that OpenAI answers with (`refusals`) come those of gateways and of other hosts that speak the same
protocol, of connections, and of good answers that hold no good picture. `CATALOGUE` is made to be read by other code
too: a test that goes through it, a table in the documentation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .checks import INVALID_REQUEST
from .fault import Delivery, Fault, Route
from .refusals import REFUSALS

if TYPE_CHECKING:
    from collections.abc import Mapping

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

CATALOGUE: Mapping[str, Fault] = {**REFUSALS, **_ODD_ERRORS, **_CONNECTION, **_ODD_SUCCESSES, **_DOWNLOADS}
"""Every fault by name: what it is (`description`) and whether it bills (`bills`)."""
