"""The Batch API: its calls over real connections, its documents and the lines of its files."""

import json
import socket
from collections.abc import Callable
from threading import Event
from typing import Any

import pytest

from generate_image.credentials import Credentials
from generate_image.deadline import Deadline
from generate_image.errors import (
    OutcomeUnknownError,
    ProviderAuthError,
    ProviderRejectedError,
    ProviderUnavailableError,
    RateLimitedError,
)
from generate_image.picture import BATCH, BoughtPicture, Usage
from generate_image.provider.batch_api import BatchApi, FileNotReadyError
from generate_image.provider.batch_file import CHUNK_BYTES, LONGEST_LINE_BYTES, Line, _lines
from generate_image.provider.batch_lines import BatchedPicture, code_error, read_line
from generate_image.provider.batch_response import Batch, read_batch
from generate_image.provider.errors import NoSuchModelError
from tests.memory_s3 import Clock
from tests.provider_server import (
    PICTURE,
    ProviderServer,
    Request,
    Responder,
    message,
    picture_document,
    refuse,
    respond,
    write,
)

MODEL = "gpt-image-2.6-flare"
KEY = Credentials("sk-one")


def api_at(base_url: str) -> BatchApi:
    deadline = Deadline(Clock())
    deadline.start(600)
    return BatchApi(base_url, deadline)


def test_requests_are_uploaded_and_submitted() -> None:
    with ProviderServer(respond(200, {"id": "file-1"}), respond(200, {"id": "batch_1"})) as server:
        key = Credentials("sk-one", server.base_url)
        api = api_at("https://nowhere.invalid/v1")
        batch = api.create(api.upload([b"one\n", b"two\n"], key), {"shard": "1"}, key, model=MODEL)
    upload, submission = server.requests
    assert batch.id == "batch_1"
    assert (upload.path, submission.path) == ("/v1/files", "/v1/batches")
    assert b'filename="requests.jsonl"\r\nContent-Type: application/jsonl\r\n\r\none\ntwo\n\r\n--' in upload.body
    assert json.loads(submission.body) == {
        "input_file_id": "file-1",
        "endpoint": "/v1/images/generations",
        "completion_window": "24h",
        "metadata": {"shard": "1"},
        "output_expires_after": {"anchor": "created_at", "seconds": 1_209_600},
    }


def test_rest_of_a_file_is_read_line_by_line() -> None:
    """The output file of a shard is larger than the function's memory."""
    was_read = Event()
    content = message(206, (b"x" * (CHUNK_BYTES - 1) + b"\n") * 2)

    def responder(connection: socket.socket, _request: Request) -> None:
        connection.sendall(content[:-CHUNK_BYTES])
        was_read.wait(timeout=10)
        connection.sendall(content[-CHUNK_BYTES:] if was_read.is_set() else b"")

    with ProviderServer(responder, respond(200, b"0123456bc\n"), respond(416, b"")) as server:
        api = api_at(server.base_url)
        lines = api.lines("file-1", KEY, offset=7)
        ends = [next(lines).end]
        was_read.set()
        ends += [line.end for line in lines]
        without_ranges, at_its_end = (list(api.lines("file-1", KEY, offset=7)) for _ in range(2))
    assert ends == [7 + CHUNK_BYTES, 7 + 2 * CHUNK_BYTES]
    assert without_ranges == [Line(bytearray(b"bc"), end=10, is_whole=True)]
    assert at_its_end == []
    for request in server.requests:
        assert (request.headers["range"], request.headers["accept-encoding"]) == ("bytes=7-", "identity")


def test_cancellation_of_an_ended_batch_is_no_error() -> None:
    with ProviderServer(respond(200, {}), respond(400, b""), respond(404, b""), respond(409, b"")) as server:
        for _ in range(4):
            api_at(server.base_url).cancel("batch_1", KEY)
    assert {request.path for request in server.requests} == {"/v1/batches/batch_1/cancel"}


def refuse_file(status: int, message: str, param: str | None) -> Responder:
    return respond(status, {"error": {"message": message, "type": "invalid_request_error", "param": param}})


@pytest.mark.parametrize(
    ("responder", "error"),
    [
        (write(b""), OutcomeUnknownError),
        (refuse(500, "server_error"), OutcomeUnknownError),
        (respond(502, b"<html>"), OutcomeUnknownError),
        (respond(408, b""), OutcomeUnknownError),
        (respond(200, {"object": "batch"}), OutcomeUnknownError),
        (respond(200, []), OutcomeUnknownError),
        (respond(200, b"[" * 100_000), OutcomeUnknownError),
        (refuse_file(400, "No such file", "input_file_id"), FileNotReadyError),
        (refuse_file(404, "No such file", "file_id"), FileNotReadyError),
        (refuse_file(400, "Cannot find file: file-1", None), FileNotReadyError),
        (refuse_file(401, "No.", "file_id"), ProviderAuthError),
        (respond(404, {"error": {"code": "model_not_found"}}), NoSuchModelError),
        (refuse(429, "rate_limit_exceeded"), RateLimitedError),
        (respond(400, {"error": "a text"}), ProviderRejectedError),
    ],
)
def test_submission_is_sent_once_and_may_have_made_a_batch(responder: Responder, error: type[Exception]) -> None:
    with ProviderServer(responder) as server, pytest.raises(error):
        api_at(server.base_url).create("file-1", {}, KEY, model=MODEL)
    assert len(server.requests) == 1


def page(*batches: tuple[str, str, int], more: bool = True) -> Responder:
    data = [{"id": name, "input_file_id": file, "created_at": created} for name, file, created in batches]
    return respond(200, {"data": data, "has_more": more})


def test_batches_of_a_file_are_found_on_each_page() -> None:
    with ProviderServer(
        page(("b", "file-1", 200_000), ("c", "other", 199_000)),
        page(("a", "file-1", 100_000), ("old", "other", 99_999 - 86_400)),
        page(("older", "other", 99_999 - 86_400)),
        page(("d", "file-1", 100_000), more=False),
        page(),
    ) as server:
        api = api_at(server.base_url)
        found = [[batch.id for batch in api.find("file-1", 100_000, KEY)] for _ in range(3)]
    assert found == [["a", "b"], ["d"], []]
    paths = [request.path.removeprefix("/v1/batches?limit=100") for request in server.requests]
    assert paths == ["", "&after=c", "&after=old", "", ""]


@pytest.mark.parametrize(
    "call",
    [
        lambda api: api.upload([b"{}\n"], KEY),
        lambda api: api.cancel("batch_1", KEY),
        lambda api: list(api.lines("file-1", KEY)),
    ],
    ids=["upload", "cancel", "lines"],
)
def test_call_that_buys_nothing_has_no_unknown_outcome(call: Callable[[BatchApi], object]) -> None:
    with ProviderServer(respond(502, b""), write(b"")) as server:
        for _ in range(2):
            with pytest.raises(ProviderUnavailableError):
                call(api_at(server.base_url))


def test_batch_is_read_in_every_form() -> None:
    whole: dict[str, Any] = {
        "id": "b", "status": "failed", "input_file_id": "i", "output_file_id": "o", "error_file_id": "e",
        "errors": {"data": [{"code": "x"}, {"code": None}, 7]}, "created_at": 5, "request_counts": {"completed": 2},
    }  # fmt: skip
    odd: dict[str, Any] = {
        "id": "b", "output_file_id": "", "error_file_id": "",
        "errors": {"data": 7}, "created_at": "now", "request_counts": {"completed": "2"},
    }  # fmt: skip
    assert read_batch(whole) == Batch("b", "failed", "i", "o", "e", frozenset({"x"}), 5.0, 2)
    assert read_batch(odd) == Batch("b", "None", "None", None, None, frozenset(), 0.0, 0)


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
    result = read_line(
        line_of({"status_code": 200, "request_id": request_id, "body": picture_document(PICTURE)}), MODEL
    )
    bought = BoughtPicture(MODEL, kept, Usage(9, 439, 448), 0.0066, pricing=BATCH)
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
