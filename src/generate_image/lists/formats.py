"""The list of a batch: JSON, JSON Lines or CSV, read as a stream.

A problem of the list as a whole is an InvalidRequestError in one sentence. A problem of one item is part of the item,
so the other items go on. No message quotes the list: its cells may be prompts.
"""

import csv
import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import BinaryIO, NamedTuple

from generate_image.errors import InvalidRequestError
from generate_image.event import misspelt
from generate_image.lists.json_array import NOT_UTF_8, BrokenArrayError, JsonArray
from generate_image.options import OPTIONS

LARGEST_ITEM = 4 * 1024 * 1024
"""Bytes of a line, characters of a JSON element or CSV cell. It bounds the memory; the real limit is lower."""
EVENT_COLUMNS = ("id", "client_id", "credentials_id", "nextModule")
"""CSV columns that are fields of the event, as are those of the options. All columns are the event's ``data`` too."""
PROMPT_COLUMNS = ("prompt_image", "prompt")
COLUMNS = (*EVENT_COLUMNS, *PROMPT_COLUMNS, *OPTIONS)


class Item(NamedTuple):
    """One item of a list.

    place: from 0. unit, number: its position in messages, such as ``line `` and 5. value: the item as a JSON value; a
    CSV row becomes an object. problem: the reason why there is no value.
    """

    place: int
    unit: str
    number: int
    value: object = None
    problem: str = ""

    @property
    def position(self) -> str:
        """Where the item is in the list."""
        return f"{self.unit}{self.number}"


def invalid_list(problem: str) -> InvalidRequestError:
    """Return the error for a list as a whole."""
    return InvalidRequestError.listing([{"field": "list", "problem": problem}])


def format_of(key: object) -> str:
    """Return the format of a list by its key in the bucket: json, jsonl or csv. Raises InvalidRequestError."""
    suffix = PurePosixPath(str(key)).suffix.lower().removeprefix(".")
    if not str(key).startswith("lists/") or suffix not in _READERS:
        problem = "must be a key in the stack's bucket that begins with lists/ and ends in .json, .jsonl or .csv"
        raise invalid_list(problem)
    return suffix


def read_list(content: BinaryIO, list_format: str) -> Iterator[Item]:
    """Yield the items of a list. Raises InvalidRequestError."""
    return _READERS[list_format](content)


def misspelt_names(names: Collection[str], known: Sequence[str]) -> Iterator[dict[str, str]]:
    """Yield a problem for each name that resembles a known name that is absent."""
    yield from misspelt("", dict.fromkeys(names), [name for name in known if name != "id"])
    if "id" not in names:  # one letter would be half of it: it, in
        for name in names:
            if name.strip(" _-").lower() == "id":
                yield {"field": name, "problem": "unknown; did you mean id?"}


def _json_lines(content: BinaryIO) -> Iterator[Item]:
    place = 0
    for number, line in enumerate(_lines(content), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except json.JSONDecodeError as error:
            raise invalid_list(f"line {number} is not JSON ({error.msg}, column {error.colno})") from None
        except ValueError:
            raise invalid_list(f"line {number} is not JSON (a number is too long)") from None
        except RecursionError:
            raise invalid_list(f"line {number} is nested too deep") from None
        yield Item(place, "line ", number, value)
        place += 1
    if place == 0:
        raise invalid_list("the file is empty")


def _csv_rows(content: BinaryIO) -> Iterator[Item]:
    csv.field_size_limit(LARGEST_ITEM)
    rows = _numbered_rows(content)
    _, header = next(rows, (0, []))
    _check_header(header)
    for place, (number, cells) in enumerate(rows):
        if len(cells) > len(header):
            problem = f"has {len(cells)} cells for {len(header)} columns; put a text with commas in double quotes"
            yield Item(place, "line ", number, problem=problem)
            continue
        row = dict(zip(header, cells, strict=False))
        yield Item(place, "line ", number, _item_of_row({name: row.get(name, "") for name in header}))


def _numbered_rows(content: BinaryIO) -> Iterator[tuple[int, Sequence[str]]]:
    """Yield the rows that are not empty, each with the number of its first line."""
    reader = csv.reader(_lines(content), strict=True)
    number = 1
    try:
        for cells in reader:
            if cells:
                yield number, cells
            number = reader.line_num + 1
    except csv.Error:
        problem = f"the row that begins in line {number} is not valid CSV; check its double quotes and line ends"
        raise invalid_list(problem) from None


def _check_header(header: Sequence[str]) -> None:
    """Raise InvalidRequestError for column names that would fail every row, or buy other pictures."""
    if not header:
        raise invalid_list("the file is empty")
    if len(header) == 1 and re.search(r"[;\t]", header[0]):
        separator = "semicolons" if ";" in header[0] else "tabs"
        raise invalid_list(f"the columns are separated by {separator}; separate them by commas")
    problems = []
    unnamed = [str(number) for number, name in enumerate(header, 1) if not name.strip()]
    if unnamed:
        problems.append(f"column {', '.join(unnamed)} has no name")
    elif len(set(header)) < len(header):
        problems.append("two columns have the same name")
    problems += [f"column {problem['field']!r} is {problem['problem']}" for problem in misspelt_names(header, COLUMNS)]
    if not problems and not set(PROMPT_COLUMNS) & set(header):
        problems.append("no column is named prompt or prompt_image; line 1 must contain the names of the columns")
    if problems:
        raise invalid_list("; ".join(problems))


def _item_of_row(row: Mapping[str, str]) -> dict[str, object]:
    """Return a row as an item; a blank cell counts as absent."""
    given: dict[str, object] = {name: row[name] for name in EVENT_COLUMNS if row.get(name)}
    config: dict[str, object] = {"credentials_id": given.pop("credentials_id")} if "credentials_id" in given else {}
    options = {name: _option(row[name].strip()) for name in OPTIONS if row.get(name, "").strip()}
    if options:
        config["options"] = options
    return {**given, "config": config, "data": row}


def _option(cell: str) -> str | int:
    """Return the value of an option. The event's check refuses a number where it must be a text, and the reverse."""
    return int(cell) if re.fullmatch(r"[0-9]{1,9}", cell) else cell


def _lines(content: BinaryIO) -> Iterator[str]:
    for number, line in enumerate(iter(lambda: content.readline(LARGEST_ITEM + 1), b""), 1):
        if len(line) > LARGEST_ITEM:
            raise invalid_list(f"line {number} has more than {LARGEST_ITEM} bytes")
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            raise invalid_list(f"line {number} {NOT_UTF_8}") from None


def _json_array(content: BinaryIO) -> Iterator[Item]:
    try:
        for place, value in enumerate(JsonArray(content, LARGEST_ITEM).elements()):
            yield Item(place, "item #", place, value)
    except BrokenArrayError as error:
        raise invalid_list(str(error)) from None


_READERS: Mapping[str, Callable[[BinaryIO], Iterator[Item]]] = {
    "json": _json_array,
    "jsonl": _json_lines,
    "csv": _csv_rows,
}
