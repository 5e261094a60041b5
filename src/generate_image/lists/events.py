"""The events of a batch: each item of its list, with every default filled in, as one line of JSON."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, NamedTuple, Self

from generate_image.errors import InvalidRequestError
from generate_image.event import (
    ANSWER_OVERHEAD_BYTES,
    INVALID_LIST_ITEM,
    STEP_FUNCTIONS_ANSWER_BYTES,
    misspelt,
    parse_event,
)
from generate_image.lists.formats import Item, format_of, invalid_list, misspelt_names
from generate_image.picture import BATCH

LARGEST_EVENT_BYTES = STEP_FUNCTIONS_ANSWER_BYTES - ANSWER_OVERHEAD_BYTES
LONGEST_PROBLEM = 1000
"""Characters."""
BATCH_FIELDS = (
    "list",
    "name",
    "client_id",
    "credentials_id",
    "nextModule",
    "max_concurrency",
    "tolerated_failure_percentage",
    "pricing",
)
ITEM_FIELDS = ("id", "client_id", "nextModule", "config", "data")
PRICINGS = ("standard", "batch")
SHARDS_AT_A_TIME = 500
"""The default concurrency with batch pricing: 75,000 pictures. No images per minute limit it."""
MOST_CONCURRENCY = 10_000
"""https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html"""


class Batch(NamedTuple):
    """The input of a batch, checked.

    key: of the list in the bucket. client_id, credentials_id, next_module: defaults for its items. max_concurrency: of
    pictures, or of shards with batch pricing. pricing: one of PRICINGS.
    """

    key: str
    list_format: str
    name: str
    client_id: object
    credentials_id: object
    next_module: object
    max_concurrency: int
    tolerated_failure_percentage: float
    pricing: str

    @classmethod
    def from_input(cls, given: object, *, max_concurrency: int, tolerated_failure_percentage: float) -> Self:
        """Check a batch's input; the other arguments are the stack's defaults. Raises InvalidRequestError."""
        if not isinstance(given, dict):
            raise InvalidRequestError.listing([{"field": "input", "problem": "must be a JSON object"}])
        fields = {name: value for name, value in given.items() if value is not None}
        key = fields.get("list")
        problems = list(misspelt("", fields, BATCH_FIELDS))
        try:
            list_format = format_of(key)
        except InvalidRequestError as error:
            problems += error.errors
        name = fields.get("name", PurePosixPath(str(key)).stem)
        if not isinstance(name, str) or not name.strip():
            problems.append({"field": "name", "problem": "must be a non-blank string"})
        pricing = fields.get("pricing", PRICINGS[0])
        if pricing not in PRICINGS:
            problems.append({"field": "pricing", "problem": f"must be {' or '.join(PRICINGS)}"})
        concurrency = fields.get("max_concurrency", SHARDS_AT_A_TIME if pricing == BATCH else max_concurrency)
        if type(concurrency) is not int or not 0 <= concurrency <= MOST_CONCURRENCY:
            problem = f"must be an integer from 0 (no limit) to {MOST_CONCURRENCY}"
            problems.append({"field": "max_concurrency", "problem": problem})
        percentage = fields.get("tolerated_failure_percentage", tolerated_failure_percentage)
        if type(percentage) not in (int, float) or not 0 <= percentage <= 100:  # noqa: PLR2004  # per cent
            problems.append({"field": "tolerated_failure_percentage", "problem": "must be a number from 0 to 100"})
        if problems:
            raise InvalidRequestError.listing(problems)
        return cls(
            key=str(key),
            list_format=list_format,
            name=str(name),
            client_id=fields.get("client_id"),
            credentials_id=fields.get("credentials_id"),
            next_module=fields.get("nextModule"),
            max_concurrency=concurrency,
            tolerated_failure_percentage=percentage,
            pricing=pricing,
        )


def event_lines(items: Iterable[Item], batch: Batch) -> Iterator[bytes]:
    """Yield the event of each item as a line of JSON.

    The event of an invalid item has one field, INVALID_LIST_ITEM, which fails its purchase with InvalidRequestError.
    Raises InvalidRequestError for two items with one id.
    """
    positions: dict[str, int] = {}
    for item in items:
        try:
            event = _event(item, batch)
            request = parse_event(
                event, default_key="", longest_prompt=sys.maxsize, answer_bytes=STEP_FUNCTIONS_ANSWER_BYTES
            )
            line = _line(event)
        except InvalidRequestError as error:
            yield _line({INVALID_LIST_ITEM: _sentence(item, error)})
            continue
        # A client id contains no slash, so each pair of client and key has a text of its own.
        first = positions.setdefault(f"{request.client_id}/{request.idempotency_key}", item.number)
        if first != item.number:
            shown = request.idempotency_key.removeprefix(f"{batch.name}/")
            raise invalid_list(f"id {shown} is in {item.unit}{first} and again in {item.position}")
        yield line


def _event(item: Item, batch: Batch) -> dict[str, Any]:
    """Return an item as the module's event. Raises InvalidRequestError."""
    if item.problem:
        raise _invalid("item", item.problem)
    fields = item.value
    if not isinstance(fields, dict) or not {"config", "data"} & fields.keys():
        raise _invalid("item", "must be an object with config or data")
    problems = list(misspelt_names(fields, ITEM_FIELDS))
    if problems:
        raise InvalidRequestError.listing(problems)
    event = {
        name: value for name, value in fields.items() if name not in ("id", "idempotency_key") and value is not None
    }
    defaults = {"client_id": batch.client_id, "nextModule": batch.next_module}
    event = {name: value for name, value in defaults.items() if value is not None} | event
    config = {} if fields.get("config") is None else fields["config"]
    if isinstance(config, dict):
        problems = list(misspelt("config.", config, ("credentials_id",)))
        if problems:
            raise InvalidRequestError.listing(problems)
        event["config"] = {"credentials_id": batch.credentials_id} | {
            name: value for name, value in config.items() if value is not None
        }
    return event | {"idempotency_key": f"{batch.name}/{_id(item, fields)}"}


def _id(item: Item, fields: Mapping[str, Any]) -> str:
    """Return the item's id as its key contains it, or its place. Raises InvalidRequestError."""
    if "id" not in fields:
        return f"#{item.place}"
    value = fields["id"]
    if isinstance(value, str):
        if not value.strip():
            raise _invalid("id", "must not be blank")
        if value.startswith("#"):
            raise _invalid("id", "must not begin with #: such ids are the places of items without an id")
        return value
    if not isinstance(value, int | float):
        raise _invalid("id", "must be a string or a number")
    return json.dumps(value)


def _line(event: Mapping[str, Any]) -> bytes:
    """Return an event as a line. Raises InvalidRequestError."""
    try:
        line = json.dumps(event, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode() + b"\n"
    except ValueError:  # UnicodeEncodeError is one
        raise _invalid("item", "must not contain NaN, Infinity or lone surrogates") from None
    if len(line) > LARGEST_EVENT_BYTES:
        raise _invalid("item", f"has more than {LARGEST_EVENT_BYTES} bytes, too many for Step Functions")
    return line


def _invalid(field: str, problem: str) -> InvalidRequestError:
    return InvalidRequestError.listing([{"field": field, "problem": problem}])


def _sentence(item: Item, error: InvalidRequestError) -> str:
    """Return the item's position and its id, if it has one, and its problems."""
    position = item.position
    if isinstance(item.value, dict) and isinstance(item.value.get("id"), str | int) and item.value["id"] != "":
        position += f" (id {str(item.value['id'])[:64]})"
    listed = "; ".join(
        problem["problem"] if problem["field"] == "item" else f"{problem['field']}: {problem['problem']}"
        for problem in error.errors
    )
    return f"{position}: {listed}"[:LONGEST_PROBLEM].encode(errors="replace").decode()  # lone surrogates
