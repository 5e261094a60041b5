"""What a fault is: how one answer differs from a good one."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

MEBIBYTE = 1024 * 1024


class Route(StrEnum):
    """What a fault strikes."""

    GENERATIONS = "generations"
    MODELS = "models"
    PICTURES = "pictures"


class Delivery(StrEnum):
    """How an answer's bytes travel."""

    WHOLE = "whole"
    CLOSED = "closed"
    RESET = "reset"
    TRUNCATED = "truncated"
    HEADERS_DRIP = "headers drip"
    BODY_DRIPS = "body drips"
    OVERSIZE = "oversize"

    @property
    def answers(self) -> bool:
        """Whether the caller sees a status."""
        return self not in {Delivery.CLOSED, Delivery.RESET}

    @property
    def completes(self) -> bool:
        """Whether the answer comes to its end, so that the connection can serve another."""
        return self.answers and self is not Delivery.TRUNCATED


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One way to fail; whatever is left alone stays as OpenAI does it.

    bills: whether the pictures are generated, and billed, before the fault shows.
    delay: seconds to wait before anything else.
    status, body, headers: the answer. A body is JSON, or text where it is a string. A header that is None is left out;
        in a header, `{root}` stands for the server's address, `{id}` for the picture's and `{url}` for the whole URL.
    retry_after, retry_after_form: seconds, told as "seconds", as an HTTP "date" or as "milliseconds".
    delivery: how the bytes travel. `pause`: seconds between two pieces that drip. `size`: bytes beyond which an
        oversize answer goes on: it is followed by blanks, so that it stays valid JSON, or a valid picture.
    picture_format: the true format of the bytes, whatever was asked for. `picture`: bytes instead of a picture.
    entry: `data[0]` instead of `{"b64_json": …}`; in it, `{base64}` stands for the picture.
    url: answer by this URL; `{root}` and `{id}` as above. `download`: what strikes whoever follows the URL, the first
        `downloads` times (None: every time).
    """

    description: str
    bills: bool
    route: Route = Route.GENERATIONS
    delay: float = 0
    status: int | None = None
    body: object = None
    headers: Mapping[str, str | None] = field(default_factory=dict)
    retry_after: float | None = None
    retry_after_form: str = "seconds"
    delivery: Delivery = Delivery.WHOLE
    pause: float = 0.5
    size: int = 64 * MEBIBYTE
    picture_format: str | None = None
    picture: bytes | None = None
    entry: Mapping[str, str] | None = None
    url: str | None = None
    download: Fault | None = None
    downloads: int | None = None
