"""A call that a server keeps open ends at its deadline and leaves nothing behind."""

import gc
import socket
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from threading import Semaphore

import pytest

from generate_image.credentials import Credentials
from generate_image.deadline import Deadline, DeadlineExceededError
from generate_image.errors import DownloadError, OutcomeUnknownError, ProviderUnavailableError
from generate_image.provider.download import Downloader
from generate_image.provider.models_api import ModelNotCheckedError, ModelsApi
from generate_image.provider.post import post
from tests.memory_s3 import Clock
from tests.provider_server import ProviderServer, Request, write

HEADERS = b"HTTP/1.1 200 OK\r\nContent-Length: 30000000\r\n\r\n"
STEP_SECONDS = 10.0
MOST_PIECES = 50
MOST_KEPT_BYTES = 1_000_000
"""For the caches of the libraries. One piece of the large body has as many bytes."""


class SteppingClock(Clock):
    """A clock that lets the server send one more piece each time that it is read."""

    def __init__(self) -> None:
        super().__init__()
        self.was_read = Semaphore(0)

    def __call__(self) -> float:
        self.was_read.release()
        return self.now


class Drip:
    """Sends a response in pieces, each of which takes ten seconds of the clock."""

    def __init__(self, clock: SteppingClock, first: bytes, piece: bytes) -> None:
        self.pieces = 0
        self._is_stopped = False
        self._clock = clock
        self._first = first
        self._piece = piece

    def __call__(self, connection: socket.socket, _request: Request) -> None:
        connection.sendall(self._first)
        while self.pieces < MOST_PIECES and self._clock.was_read.acquire(timeout=10) and not self._is_stopped:
            self._clock.pass_by(STEP_SECONDS)
            connection.sendall(self._piece)
            self.pieces += 1

    def stop(self) -> None:
        """Send no more, now that the client has gone."""
        self._is_stopped = True
        self._clock.was_read.release()


def _post(base_url: str, deadline: Deadline) -> object:
    return post(f"{base_url}/images/generations", Credentials("sk-one"), b"{}", deadline.remaining)


def _download(base_url: str, deadline: Deadline) -> object:
    return Downloader((), deadline, reserve_seconds=0).fetch(f"{base_url}/a.png", base_url)


def _check_model(base_url: str, deadline: Deadline) -> object:
    return ModelsApi(base_url, deadline).shutdown_date("gpt-image-2", Credentials("sk-one"))


Call = Callable[[str, Deadline], object]


@pytest.mark.parametrize(
    ("call", "expected"),
    [(_post, OutcomeUnknownError), (_download, DownloadError), (_check_model, ModelNotCheckedError)],
)
@pytest.mark.parametrize(
    ("first", "piece"),
    [(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"a"), (HEADERS, b" "), (HEADERS, b" " * 1_000_000)],
    ids=["headers", "body", "large body"],
)
def test_dripping_response_ends_at_the_deadline(
    call: Call, expected: type[Exception], first: bytes, piece: bytes
) -> None:
    clock = SteppingClock()
    drip = Drip(clock, first, piece)
    deadline = Deadline(clock)
    deadline.start(60)
    before = _open_resources()
    tracemalloc.start()
    with ProviderServer(drip) as server:
        with pytest.raises(expected) as raised:
            call(server.base_url, deadline)
        drip.stop()
    assert cause_of(raised.value, DeadlineExceededError)
    assert drip.pieces < MOST_PIECES
    del raised
    gc.collect()
    kept_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert _open_resources() <= before  # fewer, if an earlier test's socket was collected
    assert kept_bytes < MOST_KEPT_BYTES


def test_deadline_during_the_connect_proves_nothing_was_sent() -> None:
    left = iter([60.0, 0.0])
    with ProviderServer(write(b"")) as server, pytest.raises(ProviderUnavailableError, match="nothing was bought"):
        post(server.base_url, Credentials("sk-one"), b"{}", lambda: next(left))
    assert server.requests == []


def test_model_check_takes_ten_seconds_at_most() -> None:
    clock = SteppingClock()
    drip = Drip(clock, HEADERS, b" ")
    deadline = Deadline(clock)
    deadline.start(100)
    with ProviderServer(drip) as server:
        with pytest.raises(ModelNotCheckedError):
            _check_model(server.base_url, deadline)
        drip.stop()
    assert deadline.remaining() > 0


def test_model_check_after_the_deadline_sends_nothing() -> None:
    with ProviderServer(write(b"")) as server, pytest.raises(ModelNotCheckedError, match="DeadlineExceededError"):
        _check_model(server.base_url, Deadline(Clock()))
    assert server.connections == 0


def _open_resources() -> int:
    """Return the number of threads and of descriptors: sockets and temporary files."""
    gc.collect()
    return threading.active_count() + len(list(Path("/dev/fd").iterdir()))


def cause_of(error: BaseException, kind: type[BaseException]) -> BaseException | None:
    """Return the exception of a class among the causes of an error, or None."""
    current: BaseException | None = error
    while current is not None and not isinstance(current, kind):
        current = current.__cause__ or current.__context__
    return current
