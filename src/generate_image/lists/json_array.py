"""A JSON array, read element by element."""

import codecs
import json
import re
from collections.abc import Iterator
from typing import BinaryIO

CHUNK_BYTES = 256 * 1024
NOT_UTF_8 = "is not UTF-8; in Excel, save the list as CSV UTF-8"
_BLANKS = re.compile(r"[ \t\r\n]*")
_SEPARATOR = re.compile(r"[ \t\r\n]*[,\]]")


class BrokenArrayError(ValueError):
    """The text is not one JSON array. The message names the line."""


class JsonArray:
    """Reads an array with a buffer that holds little more than one element."""

    def __init__(self, content: BinaryIO, largest_element: int) -> None:
        """largest_element: in characters."""
        self._content = content
        self._largest_element = largest_element
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._json = json.JSONDecoder()
        self._buffer = ""
        self._at = 0
        self._line = 1  # of the buffer's first character
        self._column = 0  # likewise, from 0

    def elements(self) -> Iterator[object]:
        """Yield the elements. Raises BrokenArrayError."""
        first = self._next_character()
        if not first:
            raise BrokenArrayError("the file is empty")
        if first != "[":
            raise BrokenArrayError(
                "the file must contain one JSON array; a file with one item on each line is named .jsonl"
            )
        self._at += 1
        if self._next_character() != "]":
            while True:
                yield self._element()
                if self._next_character() != ",":
                    break
                self._at += 1
                self._next_character()
        if self._next_character() != "]":
            raise self._broken("Expecting ',' or ']'", self._at)
        self._at += 1
        if self._next_character():
            raise self._broken("text after the end of the array", self._at)

    def _element(self) -> object:
        is_last_attempt = False
        while True:
            try:
                value, end = self._json.raw_decode(self._buffer, self._at)
            except RecursionError:
                raise BrokenArrayError(f"line {self._line_of(self._at)} is nested too deep") from None
            except ValueError as error:
                if is_last_attempt and isinstance(error, json.JSONDecodeError):
                    raise self._broken(error.msg, error.pos) from None
                if is_last_attempt:  # an integer of more than 4,300 digits
                    raise self._broken("a number is too long", self._at) from None
            else:
                # "1" may be the beginning of "12" or "1e5", the rest of which is in the next chunk.
                if is_last_attempt or _SEPARATOR.match(self._buffer, end):
                    self._at = end
                    return value
            is_last_attempt = len(self._buffer) - self._at > self._largest_element or not self._fill()

    def _next_character(self) -> str:
        """Skip blanks and return the next character; an empty string at the end."""
        while True:
            blanks = _BLANKS.match(self._buffer, self._at)
            self._at = blanks.end() if blanks else self._at
            if self._at < len(self._buffer):
                return self._buffer[self._at]
            if not self._fill():
                return ""

    def _fill(self) -> bool:
        """Drop the part that was read and add one chunk. Return False at the end of the file."""
        self._line, self._column = self._line_of(self._at), self._column_of(self._at)
        self._buffer, self._at = self._buffer[self._at :], 0
        chunk = self._content.read(CHUNK_BYTES)
        try:
            self._buffer += self._decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            line = self._line_of(len(self._buffer)) + error.object.count(b"\n", 0, error.start)
            raise BrokenArrayError(f"line {line} {NOT_UTF_8}") from None
        return bool(chunk)

    def _line_of(self, position: int) -> int:
        return self._line + self._buffer.count("\n", 0, position)

    def _column_of(self, position: int) -> int:
        newline = self._buffer.rfind("\n", 0, position)
        return position + self._column if newline < 0 else position - newline - 1

    def _broken(self, problem: str, position: int) -> BrokenArrayError:
        line, column = self._line_of(position), self._column_of(position) + 1
        return BrokenArrayError(f"line {line} is not JSON ({problem}, column {column})")
