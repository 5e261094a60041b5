"""The lists of batches: formats, defaults, keys, and everything that is refused before a purchase."""

import io
import json
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from generate_image.errors import InvalidRequestError
from generate_image.event import INVALID_LIST_ITEM
from generate_image.lists.events import LARGEST_EVENT_BYTES, SHARDS_AT_A_TIME, Batch, event_lines
from generate_image.lists.formats import LARGEST_ITEM, read_list
from generate_image.lists.json_array import BrokenArrayError, JsonArray
from tests.events import EVENTS

DEFAULTS = {"client_id": 1, "credentials_id": "shared"}
LIMITS = {"max_concurrency", "tolerated_failure_percentage"}
EVENT = {"client_id": 1, "config": {"credentials_id": "shared"}}


def batch_of(key: str, **fields: object) -> Batch:
    return Batch.from_input({"list": key, **DEFAULTS, **fields}, max_concurrency=5, tolerated_failure_percentage=100)


def events_of(key: str, content: str | bytes, **fields: object) -> list[dict[str, Any]]:
    batch = batch_of(key, **fields)
    written = content if isinstance(content, bytes) else content.encode()
    return [json.loads(line) for line in event_lines(read_list(io.BytesIO(written), batch.list_format), batch)]


def test_json_item_gets_every_default() -> None:
    items: list[dict[str, Any]] = [
        {"id": "a", "config": None, "data": {"prompt_image": "A quay", "order": {"number": 4711}}},
        {"client_id": None, "config": {"prompt": "A ferry", "credentials_id": None}, "idempotency_key": "not taken"},
        {
            "id": 1.5,
            "client_id": "acme",
            "nextModule": "own",
            "config": {"credentials_id": "theirs", "options": {"size": "1024x1024"}},
            "data": {"prompt": "A buoy"},
        },
    ]

    first, second, third = events_of("lists/spring.json", json.dumps(items, indent=1), nextModule="next")

    assert first == EVENT | {"nextModule": "next", "data": items[0]["data"], "idempotency_key": "spring/a"}
    config = {"credentials_id": "shared", "prompt": "A ferry"}
    assert second == EVENT | {"nextModule": "next", "config": config, "idempotency_key": "spring/#1"}
    del items[2]["id"]
    assert third == items[2] | {"idempotency_key": "spring/1.5"}


def test_csv_row_is_data_and_blank_cell_is_absent() -> None:
    """Each client has its own ids. One prompt is longer than the limit of Python's CSV reader."""
    long = "Un faro" + "o" * 200_000
    content = (
        "\ufeffid,prompt,client_id,credentials_id,nextModule,output_format,output_compression\r\n"
        'a,"A quay, with ""quotes"" and\r\na new line",acme,theirs,next, webp,80\r\n'
        "\r\n"
        f"a,{long},,,, ,\r\n"
        ",A ferry\r\n"
    )

    first, *others = events_of("lists/spring.csv", content)

    row = {"id": "a", "prompt": 'A quay, with "quotes" and\r\na new line', "client_id": "acme"}
    row |= {"credentials_id": "theirs", "output_format": " webp", "output_compression": "80"}
    assert first == {
        "client_id": "acme",
        "nextModule": "next",
        "config": {"credentials_id": "theirs", "options": {"output_format": "webp", "output_compression": 80}},
        "data": row | {"nextModule": "next"},
        "idempotency_key": "spring/a",
    }
    blank = dict.fromkeys(first["data"], "")
    assert others == [
        EVENT | {"data": blank | {"id": "a", "prompt": long, "output_format": " "}, "idempotency_key": "spring/a"},
        EVENT | {"data": blank | {"prompt": "A ferry"}, "idempotency_key": "spring/#2"},
    ]


@pytest.mark.parametrize(("name", "invalid"), [("batch.json", 1), ("batch.jsonl", 0), ("batch.csv", 0)])
def test_example_lists_have_four_valid_items(name: str, invalid: int) -> None:
    events = events_of(f"lists/{name}", (EVENTS / name).read_bytes())
    assert sorted(INVALID_LIST_ITEM in event for event in events) == [False] * 4 + [True] * invalid


@pytest.mark.parametrize(
    ("item", "problem"),
    [
        (None, ": must be an object with config or data"),
        ({"id": "", "data": {"prompt": "x"}}, ": id: must not be blank"),
        ({"id": "#1", "data": {"prompt": "x"}}, " (id #1): id: must not begin with #"),
        ({"config": [], "data": {"prompt": "x"}}, ": config: must be a JSON object"),
        ({"ID": 1, "data": {"prompt": "x"}}, ": ID: unknown; did you mean id?"),
        ({"clientid": 2, "data": {"prompt": "x"}}, ": clientid: unknown; did you mean client_id?"),
        ({"config": {"prompt": "x", "credentials-id": 2}}, ": config.credentials-id: unknown; did you mean cred"),
        ({"id": "b", "data": {"prompt": " "}}, " (id b): prompt: one of"),
        ({"data": {"prompt": "x", "size": float("nan")}}, ": must not contain NaN"),
        ({"id": "\ud800", "data": {"prompt": "x"}}, " (id ?): "),
        ({"data": {"prompt": "x"}, "more": "x" * LARGEST_EVENT_BYTES}, ": has more than 245760 bytes, too many"),
    ],
)
def test_invalid_item_names_its_line(item: object, problem: str) -> None:
    good = {"data": {"prompt": "A quay"}}

    first, invalid, last = events_of("lists/spring.jsonl", "\n\n".join(map(json.dumps, [good, item, good])))

    assert (first["idempotency_key"], last["idempotency_key"]) == ("spring/#0", "spring/#2")
    assert invalid.keys() == {INVALID_LIST_ITEM}
    assert invalid[INVALID_LIST_ITEM].startswith("line 3" + problem)


def test_invalid_rows_name_their_lines() -> None:
    rows = "1,A quay,5, at night\n2,A pier,80%\n3,A ferry,\n"
    too_long, percent, good = events_of("lists/a.csv", f"id,prompt,output_compression\n{rows}")

    problem = "line 2: has 4 cells for 3 columns; put a text with commas in double quotes"
    assert too_long == {INVALID_LIST_ITEM: problem}
    assert percent[INVALID_LIST_ITEM].startswith("line 3 (id 2): config.options.output_compression: must be ")
    assert good["idempotency_key"] == "a/3"


@pytest.mark.parametrize(
    ("suffix", "content", "problem"),
    [
        ("json", '{"items": []}', "must contain one JSON array"),
        ("json", '[\n1,\n{"data": }\n]', "line 3 is not JSON (Expecting value, column 10)"),
        ("json", "[" * 100_000, "line 1 is nested too deep"),
        ("json", b'[\n"\xf1"]', "line 2 is not UTF-8"),
        ("json", '[{"id": 7, "config": {"prompt": "x"}}, {"id": "7", "data": {"prompt": "y"}}]', "id 7 is in item #0"),
        ("jsonl", "", "the file is empty"),
        ("jsonl", '{"data": {}}\n\n{"data', "line 3 is not JSON (Unterminated string starting at, column 2)"),
        ("jsonl", b" " * (LARGEST_ITEM + 1), "line 1 has more than 4194304 bytes"),
        ("csv", "", "the file is empty"),
        ("csv", "id;prompt\n1;Un faro\n", "the columns are separated by semicolons; separate them by commas"),
        ("csv", "id,prompt\n1,año\n".encode("latin-1"), "line 2 is not UTF-8; in Excel"),
        ("csv", "id, prompt\n1,Un faro\n", "column ' prompt' is unknown; did you mean prompt?"),
        ("csv", "faro,Un faro al atardecer\n", "no column is named prompt or prompt_image"),
        ("csv", "prompt,prompt\nA quay,A ferry\n", "two columns have the same name"),
        ("csv", "prompt,\nA quay,\n", "column 2 has no name"),
        ("csv", 'prompt\nA quay\n"A pier\nA ferry\n', "the row that begins in line 3 is not valid CSV"),
        ("csv", 'id,prompt\n1,"A\nquay"\n1,A ferry\n', "id 1 is in line 2 and again in line 4"),
    ],
)
def test_broken_list_is_refused_without_a_quote(suffix: str, content: str | bytes, problem: str) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        events_of(f"lists/a.{suffix}", content)

    [error] = raised.value.errors
    assert error["field"] == "list"
    assert problem in error["problem"]
    assert "atardecer" not in error["problem"]


def test_batch_gets_every_default() -> None:
    batch = batch_of("lists/2026/Spring.v2.CSV", name=None, max_concurrency=None, tolerated_failure_percentage=None)
    assert batch == Batch("lists/2026/Spring.v2.CSV", "csv", "Spring.v2", 1, "shared", None, 5, 100, "standard")
    assert batch_of("lists/a.json", pricing="batch").max_concurrency == SHARDS_AT_A_TIME
    given = batch_of("lists/a.json", name="other", max_concurrency=0, tolerated_failure_percentage=0.5)
    assert (given.name, given.max_concurrency, given.tolerated_failure_percentage) == ("other", 0, 0.5)


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ([], {"input"}),
        *[({"list": key, "name": " "}, {"list", "name"}) for key in ("lists/a.txt", "lists/json", "temporal/a.json")],
        ({"list": "lists/a.json", "name": 1, "clientid": 1, "pricing": "cheap"}, {"name", "clientid", "pricing"}),
        *[({"list": "lists/a.json", **dict.fromkeys(LIMITS, wrong)}, LIMITS) for wrong in ("0", True, -1, 10_001)],
    ],
)
def test_wrong_input_of_a_batch_is_refused(given: object, fields: set[str]) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        Batch.from_input(given, max_concurrency=5, tolerated_failure_percentage=100)

    assert {error["field"] for error in raised.value.errors} == fields


ATOMS: list[object] = [0, -1, 1.5, 1e300, True, False, None, "", "Un faro", '\\ " \n \x00', "🛶 é 漢", "[{,:}]"]


def test_array_is_judged_as_pythons_parser_does() -> None:
    """Two of three arrays are damaged. Each read has few bytes: it ends inside numbers, escapes and characters."""
    random = Random(0)
    for damages in [0, 1, 2] * 250:
        value: object = random.choices([*ATOMS, ATOMS, [], {}, {"a": ATOMS, "": {"b": [[7]]}}], k=random.randint(0, 5))
        text = json.dumps(value, ensure_ascii=random.random() < 0.5, indent=random.choice([None, 1]))
        content = bytearray(text.encode() + random.choice([b"", b" \n\t"]))
        for _ in range(damages):
            place = random.randint(0, len(content))
            content[place : place + random.randint(0, 2)] = random.choice([b"", b",", b"]", b"[", b'"', b"7", b"\xff"])
        stream = io.BytesIO(content)
        reads: Any = SimpleNamespace(read=lambda _, stream=stream: stream.read(random.randint(1, 7)))
        try:
            elements: object = list(JsonArray(reads, 10_000).elements())
        except BrokenArrayError:
            elements = "broken"
        try:
            value = json.loads(content.decode())
        except ValueError:
            value = None

        assert elements == (value if isinstance(value, list) else "broken"), bytes(content)


def test_element_without_an_end_is_not_read_to_the_end() -> None:
    content = io.BytesIO(b'["Un faro",\n "' + b"x" * 3_000_000)

    with pytest.raises(BrokenArrayError, match=r"line 2 is not JSON \(Unterminated string starting at, column 2\)"):
        list(JsonArray(content, 1_000_000).elements())

    assert content.tell() < 1_500_000
