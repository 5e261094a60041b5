"""Replies, and the ways in which their bytes travel."""

from __future__ import annotations

import json
import os
import socket
import struct
import time
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

from werkzeug.wrappers import Response

from .faults import NO_FAULT, Delivery, Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

PIECES = 8
FILLER = b" " * 65536
_NO_LINGER = struct.pack("ii", 1, 0)


class Reply(Response):
    """A response, and the fault that decides on its delivery."""

    fault: Fault = NO_FAULT


def json_reply(status: int, document: Any) -> Reply:  # noqa: ANN401 - JSON
    """Return a reply whose body is JSON."""
    return Reply(
        json.dumps(document, ensure_ascii=False).encode("utf-8", "replace"), status, mimetype="application/json"
    )


def fault_reply(fault: Fault, places: Mapping[str, str]) -> Reply:
    """Return the reply of a fault that has a status. places: the values of `{root}` and the like (see `Fault`)."""
    status = fault.status or 200
    if isinstance(fault.body, str):
        reply = Reply(fault.body, status, content_type="text/html")
    else:
        reply = json_reply(status, fault.body)
        reply.set_data(fill(reply.get_data(as_text=True), {"model": places.get("model", "")}))
    for name, value in {**fault.headers, **_retry_after(fault)}.items():
        reply.headers[name] = fill(value or "", places)
    reply.fault = fault
    return reply


def fill(text: str, places: Mapping[str, str]) -> str:
    """Return the text with its `{place}`s filled in."""
    for name, value in places.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def add_headers(reply: Reply, headers: Mapping[str, str]) -> None:
    """Add the headers that the reply does not have; remove those that its fault leaves out."""
    for name, value in headers.items():
        reply.headers.setdefault(name, value)
    for name in (name for name, value in reply.fault.headers.items() if value is None):
        del reply.headers[name]


def deliver(reply: Reply, connection: socket.socket, sleep: Callable[[float], object]) -> None:
    """Make the bytes of a reply travel as its fault demands. sleep: takes seconds.

    Raises ConnectionAbortedError where the server has nothing more to send on this connection.
    """
    fault, body = reply.fault, reply.get_data()
    match fault.delivery:
        case Delivery.CLOSED:
            raise ConnectionAbortedError
        case Delivery.RESET:
            _reset(connection)
            raise ConnectionAbortedError
        case Delivery.HEADERS_DRIP:
            head = [f"HTTP/1.1 {reply.status}", *(f"{name}: {value}" for name, value in reply.headers), "", ""]
            for line in head[:-1]:
                connection.sendall(f"{line}\r\n".encode("latin-1"))
                sleep(fault.pause)
            connection.sendall(body)
            raise ConnectionAbortedError
        case Delivery.TRUNCATED:
            reply.response = _half(body)
        case Delivery.BODY_DRIPS:
            reply.response = _drip(body, fault.pause, sleep)
        case Delivery.OVERSIZE:
            reply.response = _oversize(body, fault.size)
            del reply.headers["Content-Length"]  # The server sends chunks then.


def _half(body: bytes) -> Iterator[bytes]:
    yield body[: len(body) // 2]
    raise ConnectionAbortedError


def _drip(body: bytes, pause: float, sleep: Callable[[float], object]) -> Iterator[bytes]:
    step = max(1, -(-len(body) // PIECES))
    for start in range(0, len(body), step):
        yield body[start : start + step]
        sleep(pause)


def _oversize(body: bytes, size: int) -> Iterable[bytes]:
    yield body
    for _ in range(max(1, size // len(FILLER))):
        yield FILLER


def _reset(connection: socket.socket) -> None:
    """Close the connection with a RST, which a socket sends that does not linger."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    os.close(connection.detach())


def _retry_after(fault: Fault) -> dict[str, str]:
    if fault.retry_after is None:
        return {}
    match fault.retry_after_form:
        case "milliseconds":
            return {"retry-after-ms": f"{fault.retry_after * 1000:.0f}"}
        case "date":
            return {"Retry-After": formatdate(time.time() + fault.retry_after, usegmt=True)}
        case _:
            return {"Retry-After": f"{fault.retry_after:g}"}
