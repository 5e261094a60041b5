"""A call that a server keeps open ends at its deadline, leaves nothing behind, and knows whether it was sent."""

import gc
import io
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from generate_image.credentials import Credentials
from generate_image.deadline import Deadline, DeadlineExceededError
from generate_image.errors import DownloadError, OutcomeUnknownError, ProviderUnavailableError
from generate_image.provider.batch_api import BatchApi
from generate_image.provider.download import Downloader
from generate_image.provider.models_api import ModelNotCheckedError, ModelsApi
from generate_image.provider.post import _Body, post
from generate_image.provider.time_limit import _Reader
from tests.memory_s3 import Clock
from tests.provider_server import ProviderServer, Request, picture

KEY = Credentials("sk-one")
MOST_PIECES = 5_000


class HurryingClock(Clock):
    """A second passes each time that it is read, which is before each read from a socket."""

    def __call__(self) -> float:
        self.pass_by(1)
        return self.now


def _open_resources() -> int:
    """Return the number of threads and of descriptors: sockets and temporary files."""
    return threading.active_count() + len(list(Path("/dev/fd").iterdir()))


Call = Callable[[str, Deadline], object]
CALLS = [
    pytest.param(lambda url, end: post(url, KEY, b"{}", end.remaining), OutcomeUnknownError, 100, id="purchase"),
    pytest.param(lambda url, end: Downloader((), end, reserve_seconds=0).fetch(url, url), DownloadError, 100, id="url"),
    pytest.param(lambda url, end: ModelsApi(url, end).shutdown_date("m", KEY), ModelNotCheckedError, 10, id="model"),
    pytest.param(lambda url, end: BatchApi(url, end).retrieve("b", KEY), ProviderUnavailableError, 60, id="batch"),
    pytest.param(lambda url, end: list(BatchApi(url, end).lines("f", KEY)), ProviderUnavailableError, 100, id="file"),
]
"""A call, its error, and its longest time when the deadline is in 100 seconds."""


@pytest.mark.parametrize(("call", "error", "seconds"), CALLS)
@pytest.mark.parametrize(
    ("first", "piece"),
    [
        (b"", b"HTTP/1.1 102 Processing\r\nX: " + b"x" * 8_000 + b"\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 40000000\r\n\r\n", b" " * 8_000),
    ],
    ids=["headers", "body"],
)
def test_response_in_pieces_ends_at_the_deadline(
    call: Call, error: type[Exception], seconds: float, first: bytes, piece: bytes
) -> None:
    def send_pieces(connection: socket.socket, _request: Request) -> None:
        connection.sendall(first)
        for _ in range(MOST_PIECES):
            connection.sendall(piece)

    clock = HurryingClock()
    deadline = Deadline(clock)
    deadline.start(100)
    before, started = _open_resources(), clock.now
    with ProviderServer(send_pieces) as server, pytest.raises(error):
        call(server.base_url, deadline)
    assert seconds <= clock.now - started <= seconds + 5
    gc.collect()
    assert _open_resources() <= before  # fewer, if an earlier test's socket was collected


def test_tls_handshake_without_a_response_ends_and_buys_nothing() -> None:
    deadline = Deadline(Clock())
    deadline.start(0.01)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}/v1"
        with pytest.raises(ProviderUnavailableError, match="nothing was bought"):
            post(url, KEY, b"{}", deadline.remaining)
        with pytest.raises(DownloadError):
            Downloader((), deadline, reserve_seconds=0).fetch(url, url)


@pytest.mark.parametrize("times_left", [[0.0], [60.0, 0.0]], ids=["before", "during"])
def test_deadline_until_the_connect_proves_nothing_was_sent(times_left: list[float]) -> None:
    left = iter(times_left)
    with ProviderServer(picture()) as server, pytest.raises(ProviderUnavailableError, match="nothing was bought"):
        post(server.base_url, KEY, b"{}", lambda: next(left))
    assert server.requests == []


def test_body_is_either_sent_or_cancelled() -> None:
    cancelled, sent = _Body(b"content"), _Body(b"content")
    assert cancelled.cancel_if_unsent()
    with pytest.raises(requests.ConnectionError, match="cancelled"):
        cancelled.read()
    assert sent.read(1) == b"c"
    assert not sent.cancel_if_unsent()
    assert sent.read() == b"ontent"


@pytest.mark.parametrize(("read_seconds", "expected"), [(20, [20, 7]), (None, [60, 7])])
def test_read_waits_no_longer_than_the_time_left(read_seconds: float | None, expected: list[float]) -> None:
    left, waits = iter([60.0, 7.0, 0.0]), []
    with socket.socket() as connection:
        connection.settimeout(read_seconds)
        with _Reader(io.FileIO("/dev/zero"), connection, lambda: next(left)) as reader:
            for _ in expected:
                assert reader.read(1) == b"\0"
                waits.append(connection.gettimeout())
            with pytest.raises(DeadlineExceededError):
                reader.read(1)
    assert waits == expected
