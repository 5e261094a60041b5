"""The Batch API's client over real HTTP, against the stand-in and a scripted provider."""

import json
import socket
from collections.abc import Callable
from itertools import pairwise
from threading import Event

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
from generate_image.provider.batch_api import BatchApi, FileNotReadyError
from generate_image.provider.batch_file import CHUNK_BYTES
from generate_image.provider.batch_lines import request_lines
from generate_image.provider.errors import NoSuchModelError
from local.openai_stand_in import StandIn
from tests.memory_s3 import Clock
from tests.provider_server import ProviderServer, Request, Responder, message, refuse, respond, write

MODEL = "gpt-image-2.6-flare"
KEY = Credentials("sk-one")


def api_at(base_url: str) -> BatchApi:
    deadline = Deadline(Clock())
    deadline.start(600)
    return BatchApi(base_url, deadline)


@pytest.mark.parametrize("takes_ranges", [True, False])
def test_batch_is_submitted_and_its_lines_are_read(stand_in: StandIn, takes_ranges: bool) -> None:  # noqa: FBT001
    stand_in.batches.takes_ranges = takes_ranges
    key = Credentials(stand_in.api_key, stand_in.base_url)
    api = api_at("https://nowhere.invalid/v1")
    body = {"model": MODEL, "n": 1, "size": "1024x1024", "quality": "low"}
    requests = [(f"id-{number}", {**body, "prompt": f"boat {number}"}) for number in range(3)]

    batch = api.create(api.upload(request_lines(requests), key), {"shard": "1"}, key, model=MODEL)
    ended = api.retrieve(batch.id, key)
    lines = list(api.lines(ended.output_file_id or "", key))
    api.cancel(batch.id, key)  # it has ended, which is no error

    assert stand_in.batches.batches[batch.id].metadata == {"shard": "1"}
    assert (ended.status, ended.completed, ended.error_file_id) == ("completed", 3, None)
    assert sorted(json.loads(line.content)["custom_id"] for line in lines) == ["id-0", "id-1", "id-2"]
    for line, following in pairwise(lines):
        [first, *_] = api.lines(ended.output_file_id or "", key, offset=line.end)
        assert first == following
    assert list(api.lines(ended.output_file_id or "", key, offset=lines[-1].end)) == []


def test_rest_of_a_file_is_read_line_by_line() -> None:
    """The output file of a shard is larger than the function's memory."""
    was_read = Event()
    content = message(206, (b"x" * (CHUNK_BYTES - 1) + b"\n") * 2)

    def responder(connection: socket.socket, _request: Request) -> None:
        connection.sendall(content[:-CHUNK_BYTES])
        was_read.wait(timeout=10)
        connection.sendall(content[-CHUNK_BYTES:] if was_read.is_set() else b"")

    with ProviderServer(responder) as server:
        lines = api_at(server.base_url).lines("file-1", KEY, offset=7)
        ends = [next(lines).end]
        was_read.set()
        ends += [line.end for line in lines]
    assert ends == [7 + CHUNK_BYTES, 7 + 2 * CHUNK_BYTES]
    [request] = server.requests
    assert (request.headers["range"], request.headers["accept-encoding"]) == ("bytes=7-", "identity")


def refuse_file(status: int, message: str, param: str | None) -> Responder:
    return respond(status, {"error": {"message": message, "type": "invalid_request_error", "param": param}})


@pytest.mark.parametrize(
    ("responder", "error"),
    [
        (write(b""), OutcomeUnknownError),
        (refuse(500, "server_error"), OutcomeUnknownError),
        (respond(502, b"<html>"), OutcomeUnknownError),
        (respond(200, {"object": "batch"}), OutcomeUnknownError),
        (respond(200, {"id": ""}), OutcomeUnknownError),
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
