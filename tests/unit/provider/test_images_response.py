"""A response: its status and id, and the picture, the URL and the usage in every shape that hosts send."""

import base64
import itertools
import json
import tracemalloc

import pytest

from generate_image.picture import Usage
from generate_image.provider.connection import ProviderResponse, valid_request_id
from generate_image.provider.images_response import LONGEST_URL, read_response

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
ENCODED = base64.b64encode(PICTURE).decode()
URL = "https://pictures.example/1.png"
GOOD = {"input_tokens": 9, "output_tokens": 439, "total_tokens": 448}
ODD: tuple[object, ...] = (10**400, 10**10, -1, True, 1.5, "9", None, [])
USAGES: list[object] = [*({**GOOD, name: odd} for name, odd in itertools.product(GOOD, ODD)), {}, [], "9", 9, None]


def body(first: object, **more: object) -> bytes:
    return json.dumps({"created": 1, "data": [first], **more}, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    "content",
    [
        body({"b64_json": ENCODED}),
        json.dumps({"data": [{"b64_json": ENCODED}]}, separators=(",", ":")).encode(),
        body({"b64_json": "data:image/png;base64," + ENCODED}),
        body({"b64_json": ENCODED}).replace(b"/", b"\\/"),
        body({"b64_json": "\n".join(ENCODED[i : i + 76] for i in range(0, len(ENCODED), 76))}),
        body({"revised_prompt": 'a 🏮 " with "b64_json": "AAAA"', "b64_json": ENCODED}),
        body({"b64_json": ENCODED, "revised_prompt": "🏮"}),
        json.dumps({"b64_json": "AAAA", "data": [{"b64_json": ENCODED}]}).encode(),
        body({"b64_json": ENCODED}).decode().encode("utf-16"),
        b"\xef\xbb\xbf" + body({"b64_json": ENCODED}),
    ],
    ids=["spaces", "compact", "data URL", "slashes", "lines", "quoted key", "emoji", "other key", "UTF-16", "BOM"],
)  # fmt: skip
def test_picture_is_read(content: bytes) -> None:
    assert read_response(content) == read_response(bytearray(content)) == (PICTURE, None, None)


def test_picture_and_url_are_both_read() -> None:
    usage = dict(zip(GOOD, (0, 10**9, 448), strict=True))
    assert read_response(body({"b64_json": ENCODED, "url": URL}, usage=usage)) == (PICTURE, URL, Usage(0, 10**9, 448))
    assert read_response(body({"url": URL})) == (None, URL, None)


@pytest.mark.parametrize(
    "content",
    [
        b"", b"<html>", b"[]", b"7", b"[" * 100_000, b'{"data": null}', b'{"data": []}', b'{"created": 1}',
        body({}), body(None), body("text"), body({"b64_json": ""}), body({"b64_json": None}), body({"b64_json": 7}),
        body({"b64_json": "not base64!"}), b'{"data": [{"b64_json": "AAAA', body({"b64_json": 'AA\\"AA'}),
        body({"url": "ftp://pictures.example/1.png"}), body({"url": "file:///etc/passwd"}), body({"url": 7}),
        body({"url": "https://pictures.example/ä.png"}), body({"url": "https://x/".ljust(LONGEST_URL + 1, "a")}),
    ],
)  # fmt: skip
def test_body_without_a_picture_is_none(content: bytes) -> None:
    assert read_response(content) is None


@pytest.mark.parametrize("usage", USAGES, ids=lambda usage: str(usage)[:60])
def test_odd_usage_is_dropped(usage: object) -> None:
    assert read_response(body({"b64_json": ENCODED}, usage=usage)) == (PICTURE, None, None)


def test_count_of_5000_digits_does_not_cost_the_picture() -> None:
    content = b'{"data": [{"b64_json": "%b"}], "usage": {"input_tokens": %b}}' % (ENCODED.encode(), b"9" * 5000)
    assert read_response(content) == (PICTURE, None, None)


def test_large_picture_is_not_copied_into_a_string() -> None:
    """The document is parsed without it, so an emoji elsewhere cannot make it four times as large."""
    picture = PICTURE * 40_000  # 10 MB, in base64 14 MB
    content = body({"b64_json": base64.b64encode(picture).decode()}).replace(b'"created"', '"🏮"'.encode())
    tracemalloc.start()
    try:
        assert read_response(content) == (picture, None, None)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1.1 * len(picture)


def test_request_id_with_other_characters_is_dropped() -> None:
    kept = ["req_0123abc", "a.b-c", "a" * 128]
    dropped = ["", "a" * 129, "req 1", "a\r\nx: y", "ä", '"}', "req_1\n", None, 7]
    assert [value for value in kept + dropped if valid_request_id(value) == value is not None] == kept


def test_only_a_2xx_is_a_success() -> None:
    responses = [ProviderResponse(status, {}, b"", None) for status in (199, 200, 299, 300)]
    assert [response.status for response in responses if response.is_success] == [200, 299]
