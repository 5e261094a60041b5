"""The faults of an outward call, and the calls that each fault can strike."""

from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """The end of a call. "Takes effect" describes the service, not the response."""

    REFUSED = "cannot be made"
    ERROR = "answered with the service's error"
    CONFLICT = "answered with 409, because of another write at the same time"
    DENIED = "answered with 403"
    DOWN = "fails, and so does every later call of this invocation to the service"
    LOST = "takes effect, and the answer is lost"
    LATE = "takes effect after the invocation's end, without a response"
    OUT_OF_TIME = "takes effect, and uses up the invocation's time"
    DIES_BEFORE = "the function dies before it takes effect"
    DIES_AFTER = "the function dies after it took effect"
    UNREACHABLE = "cannot be made, and no other attempt of this invocation can"
    RATE_LIMITED = "answered with 429"
    UNAUTHORIZED = "answered with 401"
    CLOSED = "takes no effect; the connection closes without an answer"
    GATEWAY = "takes effect, and a gateway answers with 502"
    TRUNCATED = "takes effect, and half of the answer comes"
    GONE = "answered with 404 from now on: the URL has expired"


_READ = (Kind.REFUSED, Kind.ERROR, Kind.DIES_BEFORE, Kind.OUT_OF_TIME)
_WRITE = (*_READ, Kind.DENIED, Kind.DOWN, Kind.LOST, Kind.LATE, Kind.DIES_AFTER)
_GET = (Kind.ERROR, Kind.CLOSED, Kind.TRUNCATED, Kind.OUT_OF_TIME, Kind.DIES_BEFORE)
_BATCH_GET = (*_GET, Kind.GATEWAY)
_BATCH_POST = (*_BATCH_GET, Kind.RATE_LIMITED, Kind.LOST, Kind.DIES_AFTER)

KINDS: dict[str, tuple[Kind, ...]] = {
    "get_secret_value": _READ,
    "head_object": (*_READ, Kind.DOWN),
    "get_object": (*_READ, Kind.DOWN),
    "put_object": _WRITE,
    "put_object if": (*_WRITE, Kind.CONFLICT),
    "POST": (*_BATCH_POST, Kind.UNREACHABLE, Kind.UNAUTHORIZED),
    "GET": (*_GET, Kind.GONE),
    "upload": _BATCH_POST,
    "create": (*_BATCH_POST, Kind.UNREACHABLE, Kind.UNAUTHORIZED, Kind.LATE),
    "cancel": _BATCH_POST,
    "retrieve": _BATCH_GET,
    "list": _BATCH_GET,
    "content": _BATCH_GET,
}
"""By the call's name. "put_object if" has a condition; POST buys a picture, GET downloads it from its URL; the last six
are calls of the Batch API.

A read has no effect, so a lost response and a death after it are the same for the service as no call.
"""


class Fault(NamedTuple):
    """The fault of the call at ``position`` (from 0) of an invocation (0: the first run; then its replays)."""

    invocation: int
    position: int
    kind: Kind


class KilledError(BaseException):
    """The function died here. The module must not catch it."""
