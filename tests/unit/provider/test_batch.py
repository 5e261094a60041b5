"""The documents and the lines of a batch."""

import base64
import json
from typing import Any

import pytest

from generate_image.picture import BATCH, BoughtPicture, Usage
from generate_image.provider.batch_file import LONGEST_LINE_BYTES, _lines
from generate_image.provider.batch_lines import BatchedPicture, code_error, read_line
from generate_image.provider.batch_response import Batch, read_batch

MODEL = "gpt-image-2"
PICTURE = b"\x89PNG\r\n\x1a\n"
ENCODED = base64.b64encode(PICTURE).decode()
BODY = {"data": [{"b64_json": ENCODED}], "usage": {"input_tokens": 0, "output_tokens": 439, "total_tokens": 439}}


@pytest.mark.parametrize(
    ("document", "batch"),
    [
        (
            {
                "id": "b", "status": "failed", "input_file_id": "i", "output_file_id": "o", "error_file_id": "e",
                "errors": {"data": [{"code": "x"}, {"code": None}, 7]}, "created_at": 5,
                "request_counts": {"completed": 2},
            },
            Batch("b", "failed", "i", "o", "e", frozenset({"x"}), 5.0, 2),
        ),
        (
            {"id": "b", "status": "completed", "input_file_id": "i", "output_file_id": "", "error_file_id": ""},
            Batch("b", "completed", "i", None, None, frozenset(), 0.0, 0),
        ),
        (
            {"id": "b", "errors": {"data": 7}, "created_at": "now", "request_counts": {"completed": "2"}},
            Batch("b", "None", "None", None, None, frozenset(), 0.0, 0),
        ),
    ],
)  # fmt: skip
def test_batch_is_read_in_every_form(document: dict[str, Any], batch: Batch) -> None:
    assert read_batch(document) == batch


@pytest.mark.parametrize(
    ("chunks", "to_skip", "position", "lines"),
    [
        ([b"a\nbc", b"d\n"], 0, 0, [(b"a", 2, True), (b"bcd", 6, True)]),
        ([b"a\nb", b"cd"], 0, 10, [(b"a", 12, True), (b"bcd", 15, False)]),
        ([b"skip", b"ped\na", b"\n\n \n"], 8, 8, [(b"a", 10, True), (b"", 11, True), (b" ", 13, True)]),
        ([b"a\n", b" "], 0, 0, [(b"a", 2, True)]),
        ([b"x" * LONGEST_LINE_BYTES, b"xyz", b"z\na\n"], 0, 0,
         [(b"z", LONGEST_LINE_BYTES + 5, True), (b"a", LONGEST_LINE_BYTES + 7, True)]),
    ],
    ids=["whole", "cut", "skipped", "space", "longer"],
)  # fmt: skip
def test_lines_have_their_positions(
    chunks: list[bytes], to_skip: int, position: int, lines: list[tuple[bytes, int, bool]]
) -> None:
    assert [tuple(line) for line in _lines(iter(chunks), to_skip, position)] == lines


def line_of(response: object = None, error: object = None, custom_id: object = "one") -> bytes:
    return json.dumps({"custom_id": custom_id, "response": response, "error": error}).encode()


def refused(status: int, code: str | None) -> bytes:
    return line_of({"status_code": status, "request_id": "req_1", "body": {"error": {"code": code, "message": "No."}}})


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (line_of({"status_code": 200, "body": {"data": [{"url": "https://a.example/1"}]}}), "ProviderResponseError"),
        (line_of({"status_code": 200}), "ProviderResponseError"),
        (refused(400, "moderation_blocked"), "ContentRejectedError"),
        (refused(502, None), "ProviderUnavailableError"),
        (refused(408, None), "OutcomeUnknownError"),
        (line_of(error={"code": "batch_expired"}), "ProviderUnavailableError"),
        (line_of(error={"code": "insufficient_quota"}), "QuotaExhaustedError"),
        (line_of(error={"code": "rate_limit_exceeded"}), "RateLimitedError"),
        (line_of(error={"code": "model_not_found"}), "NoSuchModelError"),
        (line_of(error={"code": None}), "ProviderUnavailableError"),
    ],
)
def test_line_without_a_picture_has_its_error(line: bytes, error: str) -> None:
    result = read_line(line, MODEL)
    assert result is not None
    assert (result.custom_id, type(result.outcome).__name__) == ("one", error)


@pytest.mark.parametrize(("request_id", "kept"), [("req_1", "req_1"), ("an id that S3 refuses: ä", None), (7, None)])
def test_line_with_a_picture_costs_half(request_id: object, kept: str | None) -> None:
    result = read_line(line_of({"status_code": 200, "request_id": request_id, "body": BODY}), MODEL)
    bought = BoughtPicture(MODEL, kept, Usage(0, 439, 439), 0.0066, pricing=BATCH)
    assert result == ("one", BatchedPicture(bought, PICTURE))


@pytest.mark.parametrize(
    "line", [b"", b"[]", b"{", b"{}", line_of(), line_of(custom_id=7), line_of({"status_code": "x"})]
)
def test_malformed_line_is_none(line: bytes) -> None:
    assert read_line(line, MODEL) is None


@pytest.mark.parametrize(
    ("codes", "error"),
    [
        ([], "ProviderUnavailableError"),
        (["invalid_json_line"], "ProviderRejectedError"),
        (["token_limit_exceeded"], "RateLimitedError"),
        (["a_code", "model_not_found"], "NoSuchModelError"),
        (["billing_hard_limit_reached", "invalid"], "QuotaExhaustedError"),
    ],
)
def test_failed_validation_has_the_error_of_its_codes(codes: list[str], error: str) -> None:
    assert type(code_error(codes, MODEL)).__name__ == error
