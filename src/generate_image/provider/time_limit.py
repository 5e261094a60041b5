"""Connections that stop at a deadline.

A socket timeout bounds one read, so a server that sends a byte now and then can hold a call for hours. These
connections set the timeout before each read and write, to the time that is left. The call needs no thread of its own,
and at the deadline it has ended, with everything that it opened.
"""

import http.client
import io
import socket
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from generate_image.deadline import Deadline, DeadlineExceededError

Remaining = Callable[[], float]
"""Returns the seconds that a call has left, at least 0."""


def at_most(seconds: float, deadline: Deadline) -> Remaining:
    """Return the time that is left for a call that starts now. seconds: its own limit, if the deadline is later."""
    end = min(deadline.at, deadline.clock() + seconds)
    return lambda: max(0.0, end - deadline.clock())


def limit_time(pool: HTTPConnectionPool, remaining: Remaining) -> None:
    """Make every connection of a pool stop when ``remaining`` returns 0."""
    pool.ConnectionCls = _HttpsConnection if isinstance(pool, HTTPSConnectionPool) else _HttpConnection
    pool.conn_kw["remaining"] = remaining


def time_left(remaining: Remaining) -> float:
    """Return more than 0 seconds, or raise DeadlineExceededError."""
    seconds = remaining()
    if seconds <= 0:
        raise DeadlineExceededError
    return seconds


class _HttpConnection(HTTPConnection):
    """The look-up of the name has the system's time limit, and each of its addresses has the connect timeout."""

    def __init__(self, *args: Any, remaining: Remaining, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **kwargs)
        self._remaining = remaining
        self.response_class = partial(_Response, remaining=remaining)  # type: ignore[assignment]  # it is only called

    def send(self, data: Any) -> None:  # noqa: ANN401
        if self.sock is None:
            self.connect()
        self.sock.settimeout(time_left(self._remaining))
        super().send(data)


class _HttpsConnection(_HttpConnection, HTTPSConnection):
    pass


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, remaining: Remaining, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_Reader(self.fp.detach(), sock, remaining))

    def begin(self) -> None:
        """Read the status line and the headers, and skip interim responses: http.client skips only 100.

        https://www.rfc-editor.org/rfc/rfc9110#section-15.2: a client must read any 1xx before the final response.
        """
        super().begin()
        while HTTPStatus.SWITCHING_PROTOCOLS < self.status < HTTPStatus.OK:
            self.headers = None  # type: ignore[assignment]  # otherwise begin() returns at once
            super().begin()


class _Reader(io.RawIOBase):
    """Reads from a socket, each time for at most the read timeout and the time that is left."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, remaining: Remaining) -> None:
        self._raw = raw
        self._sock = sock
        self._remaining = remaining
        self._read_seconds: float | None = sock.gettimeout()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:  # noqa: ANN401
        seconds = time_left(self._remaining)
        self._sock.settimeout(seconds if self._read_seconds is None else min(seconds, self._read_seconds))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()
