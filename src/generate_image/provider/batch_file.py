"""The lines of the provider's large files, one at a time."""

from collections.abc import Iterator
from typing import NamedTuple

from generate_image.credentials import Credentials
from generate_image.deadline import Deadline
from generate_image.errors import ProviderUnavailableError
from generate_image.provider.connection import NO_RESPONSE, ProviderResponse, streamed, valid_request_id
from generate_image.provider.errors import to_unbilled_error

CHUNK_BYTES = 256 * 1024
LONGEST_LINE_BYTES = 48 * 1024 * 1024
"""The largest picture in base64, and the rest of its line."""
OK, RANGE_NOT_SATISFIABLE = 200, 416


class Line(NamedTuple):
    """A line of a file. end: the position behind it. is_whole: False if the file ends inside it."""

    content: bytearray
    end: int
    is_whole: bool


def file_lines(url: str, credentials: Credentials, deadline: Deadline, *, offset: int) -> Iterator[Line]:
    """Yield the lines of a file from a position on. Only one line is in memory.

    Raises ProviderUnavailableError if the connection ends early: the caller continues behind its last line. Raises the
    errors of ``to_unbilled_error``.
    """
    try:
        with streamed(url, credentials, deadline.remaining, offset=offset) as response:
            if response.status_code == RANGE_NOT_SATISFIABLE:
                return
            if not 200 <= response.status_code < 300:  # noqa: PLR2004  # RFC 9110, 15.3
                content = response.raw.read(CHUNK_BYTES)
                request_id = valid_request_id(response.headers.get("x-request-id"))
                refused = ProviderResponse(response.status_code, response.headers, content, request_id)
                raise to_unbilled_error(refused, deadline.clock())
            to_skip = offset if response.status_code == OK else 0
            yield from _lines(response.iter_content(CHUNK_BYTES), to_skip, offset)
    except NO_RESPONSE as error:
        raise ProviderUnavailableError(
            f"The provider's file of pictures ended early ({type(error).__name__}). They are paid for; a retry "
            "continues with the next one."
        ) from error


def _lines(chunks: Iterator[bytes], to_skip: int, position: int) -> Iterator[Line]:
    """to_skip: bytes to drop first. position: of the first byte after them."""
    line, end = bytearray(), position
    for chunk in chunks:
        kept, to_skip = chunk[to_skip:], max(0, to_skip - len(chunk))
        while kept:
            head, newline, kept = kept.partition(b"\n")
            line += head
            end += len(head) + len(newline)
            if len(line) > LONGEST_LINE_BYTES:
                del line[:]  # no picture is that large: the rest of it is one malformed line
            if newline:
                yield Line(line, end, is_whole=True)
                line = bytearray()
    if line.strip():
        yield Line(line, end, is_whole=False)
