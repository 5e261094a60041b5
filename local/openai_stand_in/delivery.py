"""Replies, and the ways in which their bytes travel."""

from __future__ import annotations

import json
import os
import socket
import struct
from typing import TYPE_CHECKING, Any

from werkzeug.wrappers import Request, Response

from .faults import NO_FAULT, Delivery, Fault
from .parameters import RefusalError

if TYPE_CHECKING:
    from collections.abc import Iterator

JSON = "application/json"
_NO_LINGER = struct.pack("ii", 1, 0)


class Reply(Response):
    """A response, and the fault that decides on its delivery."""

    fault: Fault = NO_FAULT


def json_object(request: Request) -> dict[str, Any]:
    """Return the JSON object in a request's body. Raises RefusalError."""
    try:
        document = json.loads(request.get_data())
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise RefusalError("We could not parse the JSON body of your request. The OpenAI API expects a JSON payload.")
    return document


def json_reply(status: int, document: object, fault: Fault = NO_FAULT) -> Reply:
    """Return a reply whose body is JSON."""
    reply = Reply(json.dumps(document), status, content_type=JSON)
    reply.fault = fault
    return reply


def fault_reply(fault: Fault) -> Reply:
    """Return the reply of a fault that has a status or no response at all."""
    content, kind = (fault.body, "text/html") if isinstance(fault.body, str) else (json.dumps(fault.body), JSON)
    reply = Reply(content, fault.status, fault.headers, content_type=kind)
    reply.fault = fault
    return reply


def deliver(reply: Reply, connection: socket.socket) -> None:
    """Make the bytes of a reply travel as its fault demands. Raises ConnectionAbortedError if no byte may travel."""
    match reply.fault.delivery:
        case Delivery.CLOSED:
            raise ConnectionAbortedError
        case Delivery.RESET:  # A socket that does not linger sends a RST.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            os.close(connection.detach())
            raise ConnectionAbortedError
        case Delivery.TRUNCATED:
            reply.response = _half(reply.get_data())


def _half(body: bytes) -> Iterator[bytes]:
    yield body[: len(body) // 2]
    raise ConnectionAbortedError
