"""Reads the picture, its URL and the usage from a successful response of the Images API."""

import json
import re
from binascii import a2b_base64
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from generate_image.picture import Usage

LONGEST_URL = 8_192
MOST_TOKENS = 10**9
"""Upper bound of a plausible token count. Other values are dropped: S3 metadata is limited to 2 KB."""
_MOST_DIGITS = 20

_PICTURE = re.compile(rb'"b64_json"\s*:\s*"')
_CUT = "(cut)"
"""Stands for the picture in the JSON. Base64 has no parentheses."""


class ImagesResponse(NamedTuple):
    """At least one of content and url is present. content: the picture's bytes."""

    content: bytes | None
    url: str | None
    usage: Usage | None


def read_response(body: bytes | bytearray) -> ImagesResponse | None:
    """Return the content of a 2xx body, or None if it holds neither a picture nor a URL."""
    try:
        document, encoded = without_picture(body, lambda whole: whole)
        return read_document(document, encoded)
    except UNREADABLE:
        return None


UNREADABLE = (ValueError, RecursionError, KeyError, IndexError, TypeError, AttributeError)
"""Raised for a document of another form."""


def read_document(document: Mapping[str, Any], encoded: bytes | memoryview | None) -> ImagesResponse | None:
    """Return the content of a parsed response. encoded: from ``without_picture``. Raises one of ``UNREADABLE``."""
    first = document["data"][0]
    content, url = _decoded(encoded or first.get("b64_json") or b""), first.get("url")
    url = url if _is_http_url(url) else None
    usage = _usage(document.get("usage"))
    return ImagesResponse(content or None, url, usage) if content or url else None


def without_picture(
    body: bytes | bytearray, response_in: Callable[[Any], Any]
) -> tuple[Any, bytes | memoryview | None]:
    """Return the JSON document without the picture, and the picture's base64, None if it is still in the document.

    response_in: returns the response of the Images API inside the document. Raises one of ``UNREADABLE``.

    ``json.loads`` of the whole body makes a string of four bytes per character if there is one emoji in it: 170 MB for
    the largest picture.
    """
    found = _PICTURE.search(body)
    if found:
        start, end = found.end(), body.find(b'"', found.end())
        document = _loads(body[:start] + _CUT.encode() + body[end:])
        if response_in(document)["data"][0].get("b64_json") == _CUT:
            encoded = memoryview(body)[start:end]
            is_escaped = body.find(b"\\", start, end) >= 0  # PHP writes "\/" for "/"
            return document, json.loads(b'"' + bytes(encoded) + b'"').encode() if is_escaped else encoded
    return _loads(body), None


def _loads(body: bytes | bytearray) -> Any:  # noqa: ANN401
    """Parse JSON. Python refuses to parse an integer of more than 4,300 digits; no such number is used here."""
    return json.loads(body, parse_int=lambda digits: int(digits) if len(digits) <= _MOST_DIGITS else None)


def _decoded(encoded: str | bytes | memoryview) -> bytes:
    """Decode base64, with or without ``data:image/png;base64,`` before it."""
    head = encoded[:64] if isinstance(encoded, str) else bytes(encoded[:64]).decode("latin-1")
    return a2b_base64(encoded[head.find(",") + 1 :] if head.startswith("data:") else encoded)


def _is_http_url(url: object) -> bool:
    """Return whether a URL can be downloaded from and returned: the size of the answer was checked for such a one."""
    return (
        isinstance(url, str) and url.startswith(("https://", "http://")) and url.isascii() and len(url) <= LONGEST_URL
    )


def _usage(usage: object) -> Usage | None:
    if not isinstance(usage, dict):
        return None
    counts = [usage.get(name) for name in Usage._fields]
    known = [count for count in counts if type(count) is int and 0 <= count <= MOST_TOKENS]
    return Usage(*known) if len(known) == len(counts) else None
