"""The proof whether a request was sent, its id, and the time limit of a read."""

import io
import socket

import pytest
import requests

from generate_image.deadline import DeadlineExceededError
from generate_image.provider.connection import ProviderResponse, valid_request_id
from generate_image.provider.post import _Body
from generate_image.provider.time_limit import _Reader


def test_body_is_either_sent_or_cancelled() -> None:
    cancelled, sent = _Body(b"content"), _Body(b"content")
    assert cancelled.cancel_if_unsent()
    with pytest.raises(requests.ConnectionError, match="cancelled"):
        cancelled.read()
    assert sent.read(1) == b"c"
    assert not sent.cancel_if_unsent()
    assert sent.read() == b"ontent"


def test_request_id_with_other_characters_is_dropped() -> None:
    kept = ["req_0123abc", "a.b-c", "a" * 128]
    dropped = ["", "a" * 129, "req 1", "a\r\nx: y", "ä", '"}', "req_1\n", None, 7]
    assert [value for value in kept + dropped if valid_request_id(value) == value is not None] == kept


def test_only_a_2xx_is_a_success() -> None:
    responses = [ProviderResponse(status, {}, b"", None) for status in (199, 200, 299, 300)]
    assert [response.status for response in responses if response.is_success] == [200, 299]


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
