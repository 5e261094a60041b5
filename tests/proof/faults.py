"""The faults of an outward call, and the calls that each fault can strike."""

from dataclasses import dataclass
from enum import StrEnum


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

KINDS: dict[str, tuple[Kind, ...]] = {
    "get_secret_value": _READ,
    "head_object": (*_READ, Kind.DOWN),
    "get_object": (*_READ, Kind.DOWN),
    "put_object": _WRITE,
    "put_object if": (*_WRITE, Kind.CONFLICT),
    "POST": (
        Kind.UNREACHABLE,
        Kind.ERROR,
        Kind.RATE_LIMITED,
        Kind.UNAUTHORIZED,
        Kind.CLOSED,
        Kind.LOST,
        Kind.GATEWAY,
        Kind.TRUNCATED,
        Kind.OUT_OF_TIME,
        Kind.DIES_BEFORE,
        Kind.DIES_AFTER,
    ),
    "GET": (Kind.ERROR, Kind.CLOSED, Kind.TRUNCATED, Kind.GONE, Kind.OUT_OF_TIME, Kind.DIES_BEFORE),
}
"""By the call's name. "put_object if" has a condition; GET downloads the picture from its URL.

A read has no effect, so a lost response and a death after it are the same for the service as no call.
"""


@dataclass(frozen=True, order=True)
class Fault:
    """The fault of the call at ``position`` (from 0) of an invocation (0: the first run; then its replays)."""

    invocation: int
    position: int
    kind: Kind


class KilledError(BaseException):
    """The function died here. The module must not catch it."""
