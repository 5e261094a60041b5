"""How an answer travels: in one piece, as it should, or in one of the ways in which connections fail."""

from __future__ import annotations

import os
import socket
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .fault import Delivery

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PIECES = 8
FILLER = b" " * 65536
_LINGER_NOT_AT_ALL = struct.pack("ii", 1, 0)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An answer: status, headers, body, and how it travels (see `Fault`)."""

    status: int
    headers: Mapping[str, str | None] = field(default_factory=dict)
    body: bytes = b""
    delivery: Delivery = Delivery.WHOLE
    pause: float = 0
    size: int = 0


def deliver(connection: socket.socket, head: bytes, reply: Reply, sleep: Callable[[float], object]) -> bool:
    """Send a reply whose status line and headers are `head`. Returns whether the connection can serve another."""
    match reply.delivery:
        case Delivery.WHOLE:
            connection.sendall(head + reply.body)
        case Delivery.CLOSED:
            connection.shutdown(socket.SHUT_RDWR)
        case Delivery.RESET:
            _reset(connection)
        case Delivery.TRUNCATED:
            connection.sendall(head + reply.body[: len(reply.body) // 2])
        case Delivery.HEADERS_DRIP:
            _drip(connection, head.splitlines(keepends=True), reply.pause, sleep)
            connection.sendall(reply.body)
        case Delivery.BODY_DRIPS:
            step = max(1, -(-len(reply.body) // PIECES))
            connection.sendall(head)
            _drip(
                connection, [reply.body[at : at + step] for at in range(0, len(reply.body), step)], reply.pause, sleep
            )
        case Delivery.OVERSIZE:
            connection.sendall(head + _chunk(reply.body))
            for _ in range(max(1, reply.size // len(FILLER))):
                connection.sendall(_chunk(FILLER))
            connection.sendall(b"0\r\n\r\n")
    return reply.delivery.completes


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _drip(connection: socket.socket, pieces: list[bytes], pause: float, sleep: Callable[[float], object]) -> None:
    for piece in pieces:
        connection.sendall(piece)
        sleep(pause)


def _reset(connection: socket.socket) -> None:
    """Close so that the other side gets a RST: closing a socket that does not linger sends one."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT_AT_ALL)
    os.close(connection.detach())
