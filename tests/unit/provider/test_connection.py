"""The proof whether a request was sent, its id, and the time limit of a read."""

import io
from typing import TYPE_CHECKING, cast

import pytest
import requests

from generate_image.deadline import DeadlineExceededError
from generate_image.provider.connection import ProviderResponse, request_id_in
from generate_image.provider.post import _Body
from generate_image.provider.time_limit import _Reader

if TYPE_CHECKING:
    import socket


def test_cancelled_body_is_never_sent() -> None:
    body = _Body(b"content")
    assert body.cancel_if_unsent()
    with pytest.raises(requests.ConnectionError, match="cancelled"):
        body.read()


def test_sent_body_cannot_be_cancelled() -> None:
    body = _Body(b"content")
    assert body.read(1) == b"c"
    assert not body.cancel_if_unsent()
    assert body.read() == b"ontent"


def test_request_id_with_other_characters_is_dropped() -> None:
    kept, dropped = ["req_0123abc", "a.b-c", "a" * 128], ["", "a" * 129, "req 1", "a\r\nx: y", "ä", '"}', "req_1\n"]
    assert [value for value in kept + dropped if request_id_in({"x-request-id": value}) == value] == kept


def test_only_a_2xx_is_a_success() -> None:
    responses = [ProviderResponse(status, {}, b"", None) for status in (199, 200, 299, 300)]
    assert [response.status for response in responses if response.is_success] == [200, 299]


class FakeSocket:
    """Records the timeouts that were set."""

    def __init__(self, read_seconds: float | None) -> None:
        self.timeouts: list[float | None] = []
        self.gettimeout = lambda: read_seconds
        self.settimeout = self.timeouts.append


@pytest.mark.parametrize(("read_seconds", "expected"), [(20, [20, 7]), (None, [60, 7])])
def test_read_waits_no_longer_than_the_time_left(read_seconds: float | None, expected: list[float]) -> None:
    left = iter([60.0, 7.0, 0.0])
    fake = FakeSocket(read_seconds)
    reader = _Reader(io.FileIO("/dev/zero"), cast("socket.socket", fake), lambda: next(left))
    with reader:
        assert reader.read(1) == reader.read(1) == b"\0"
        with pytest.raises(DeadlineExceededError):
            reader.read(1)
    assert fake.timeouts == expected
