"""The lists of batches: formats, defaults, keys, and everything that is refused before a purchase."""

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest

from generate_image.errors import InvalidRequestError
from generate_image.event import INVALID_LIST_ITEM, parse_event
from generate_image.lists.events import LARGEST_EVENT_BYTES, Batch, event_lines
from generate_image.lists.formats import LARGEST_ITEM, read_list
from generate_image.lists.json_array import CHUNK_BYTES

DEFAULTS = {"client_id": 1, "credentials_id": "shared"}
EVENT = {"client_id": 1, "config": {"credentials_id": "shared"}}


def batch_of(key: str, **fields: object) -> Batch:
    return Batch.from_input({"list": key, **DEFAULTS, **fields}, max_concurrency=5, tolerated_failure_percentage=100)


def lines_of(key: str, content: str | bytes, **fields: object) -> Iterator[bytes]:
    batch = batch_of(key, **fields)
    written = content if isinstance(content, bytes) else content.encode()
    return event_lines(read_list(io.BytesIO(written), batch.list_format), batch)


def events_of(key: str, content: str | bytes, **fields: object) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines_of(key, content, **fields)]


def problem_of(key: str, content: str | bytes) -> str:
    """Return why the list as a whole is refused. The problem quotes no prompt."""
    with pytest.raises(InvalidRequestError) as raised:
        list(lines_of(key, content))
    [error] = raised.value.errors
    assert error["field"] == "list"
    assert "atardecer" not in error["problem"]
    return error["problem"]


def as_list(key: str, items: list[object]) -> str:
    return json.dumps(items, indent=1) if key.endswith(".json") else "\n".join(map(json.dumps, items))


JSON_KEYS = ["lists/spring.json", "lists/spring.jsonl"]


@pytest.mark.parametrize("key", JSON_KEYS)
def test_json_item_gets_every_default(key: str) -> None:
    items: list[object] = [
        {"id": "a", "data": {"prompt_image": "A quay", "order": {"number": 4711}}},
        {"id": 7, "nextModule": "own", "config": {"prompt": "A pier", "options": {"size": "1024x1024"}}},
        {"data": {"prompt": "A ferry"}},
        {"id": 1.5, "client_id": "acme", "config": {"credentials_id": "theirs"}, "data": {"prompt": "A buoy"}},
    ]

    assert events_of(key, as_list(key, items), nextModule="next") == [
        EVENT
        | {
            "nextModule": "next",
            "data": {"prompt_image": "A quay", "order": {"number": 4711}},
            "idempotency_key": "spring/a",
        },
        EVENT
        | {
            "nextModule": "own",
            "config": {"credentials_id": "shared", "prompt": "A pier", "options": {"size": "1024x1024"}},
            "idempotency_key": "spring/7",
        },
        EVENT | {"nextModule": "next", "data": {"prompt": "A ferry"}, "idempotency_key": "spring/#2"},
        {
            "nextModule": "next",
            "client_id": "acme",
            "config": {"credentials_id": "theirs"},
            "data": {"prompt": "A buoy"},
            "idempotency_key": "spring/1.5",
        },
    ]


def test_csv_row_is_data_and_blank_cell_is_absent() -> None:
    content = (
        "\ufeffid,prompt,client_id,credentials_id,nextModule\r\n"
        'a,"A quay, with ""quotes"" and\r\na new line",acme,theirs,next\r\n'
        "\r\n"
        ",Un faro,,,\r\n"
        ",A ferry\r\n"
    )

    first, *others = events_of("lists/spring.csv", content)

    row = {"id": "a", "prompt": 'A quay, with "quotes" and\r\na new line', "client_id": "acme"}
    assert first == {
        "client_id": "acme",
        "nextModule": "next",
        "config": {"credentials_id": "theirs"},
        "data": row | {"credentials_id": "theirs", "nextModule": "next"},
        "idempotency_key": "spring/a",
    }
    blank = {"id": "", "client_id": "", "credentials_id": "", "nextModule": ""}
    assert others == [
        EVENT | {"data": blank | {"prompt": "Un faro"}, "idempotency_key": "spring/#1"},
        EVENT | {"data": blank | {"prompt": "A ferry"}, "idempotency_key": "spring/#2"},
    ]


def test_option_columns_are_options() -> None:
    content = (
        "prompt_image,quality,size,output_format,output_compression,background,moderation\n"
        "A quay,high,1536x1024,webp,80,transparent,low\n"
        "A pier,low,, ,,,\n"
        "A ferry,,,,,,\n"
        "A buoy,best,,webp,80%,,\n"
    )
    first, second, third, invalid = events_of("lists/spring.csv", content)
    assert first["config"]["options"] == {
        "quality": "high",
        "size": "1536x1024",
        "output_format": "webp",
        "output_compression": 80,
        "background": "transparent",
        "moderation": "low",
    }
    assert second["config"]["options"] == {"quality": "low"}
    assert "options" not in third["config"]
    assert "config.options.quality" in invalid[INVALID_LIST_ITEM]
    assert "config.options.output_compression" in invalid[INVALID_LIST_ITEM]


@pytest.mark.parametrize("key", JSON_KEYS)
def test_wrong_option_of_an_item_is_named(key: str) -> None:
    items: list[object] = [{"id": "a", "config": {"prompt": "A quay", "options": {"siez": "1024x1024"}}}]
    [invalid] = events_of(key, as_list(key, items))
    assert "config.options.siez: unknown; did you mean size?" in invalid[INVALID_LIST_ITEM]


def test_prepared_event_is_accepted_by_the_module() -> None:
    [line] = lines_of("lists/spring.csv", "prompt_image\nUn faro\n")

    request = parse_event(json.loads(line), default_key="", longest_prompt=100)

    assert (request.idempotency_key, request.prompt) == ("spring/#0", "Un faro")


@pytest.mark.parametrize("ending", ["", "\n", " \n\t"])
def test_array_is_read_across_chunks(ending: str) -> None:
    prompts = [f"{number} {'ñ' * 1000}" for number in range(3 * CHUNK_BYTES // 1000)]
    items = [{"data": {"prompt": prompt}} for prompt in prompts]

    events = events_of("lists/a.json", json.dumps(items, ensure_ascii=False, indent=2) + ending)

    assert [event["data"]["prompt"] for event in events] == prompts


def test_number_is_read_across_chunks() -> None:
    elements = list(read_list(io.BytesIO(b"[" + b" " * (CHUNK_BYTES - 3) + b"1234, 5]"), "json"))

    assert [element.value for element in elements] == [1234, 5]


@pytest.mark.parametrize("key", JSON_KEYS)
@pytest.mark.parametrize(
    ("item", "problem"),
    [
        (None, "must be an object with config or data"),
        ({"id": 1}, "(id 1): must be an object with config or data"),
        ({"id": "", "data": {"prompt": "x"}}, "id: must not be blank"),
        ({"id": None, "data": {"prompt": "x"}}, "id: must be a string or a number"),
        ({"id": "#1", "data": {"prompt": "x"}}, "id: must not begin with #"),
        ({"id": "a" * 255, "data": {"prompt": "x"}}, "idempotency_key: must be a string of 1 to 255"),
        ({"ID": 1, "data": {"prompt": "x"}}, "ID: unknown; did you mean id?"),
        ({"clientid": 2, "data": {"prompt": "x"}}, "clientid: unknown; did you mean client_id?"),
        ({"id": "b", "data": {"prompt": " "}}, "(id b): prompt: one of"),
        ({"config": [], "data": {"prompt": "x"}}, "config: must be a JSON object"),
        ({"data": {"prompt": "x", "size": float("nan")}}, "NaN"),
        ({"data": {"prompt": "\ud800"}}, "lone surrogates"),
        ({"id": "\ud800", "data": {"prompt": "x"}}, "(id ?)"),
        ({"data": {"prompt": "x", "ballast": "x" * LARGEST_EVENT_BYTES}}, "too many for Step Functions"),
    ],
)
def test_invalid_item_names_its_position(key: str, item: object, problem: str) -> None:
    good = {"data": {"prompt": "A quay"}}

    first, invalid, last = events_of(key, as_list(key, [good, item, good]))

    assert (first["idempotency_key"], last["idempotency_key"]) == ("spring/#0", "spring/#2")
    assert invalid.keys() == {INVALID_LIST_ITEM}
    position = "item #1" if key.endswith(".json") else "line 2"
    assert invalid[INVALID_LIST_ITEM].startswith(position)
    assert problem in invalid[INVALID_LIST_ITEM]


def test_row_with_too_many_cells_is_invalid() -> None:
    invalid, good = events_of("lists/a.csv", "id,prompt\n1,A quay, at night\n2,A pier\n")

    assert invalid[INVALID_LIST_ITEM].startswith("line 2: has 3 cells for 2 columns")
    assert good["idempotency_key"] == "a/2"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "the file is empty"),
        ('{"items": []}', "must contain one JSON array"),
        ('[{"data": ', "line 1 is not JSON"),
        ('[\n1,\n{"data": }\n]', "line 3 is not JSON (Expecting value, column 10)"),
        ("[1 2]", "line 1 is not JSON (Expecting ',' or ']', column 4)"),
        ("[1]\n2", "line 2 is not JSON (text after the end of the array, column 1)"),
        ("[" + "9" * 5000 + "]", "a number is too long"),
        ("[" * 100_000, "nested too deep"),
        (b'[\n"\xf1"]', "line 2 is not UTF-8"),
        ('["año"]'.encode("utf-16"), "line 1 is not UTF-8"),
    ],
)
def test_broken_array_is_refused(content: str | bytes, problem: str) -> None:
    assert problem in problem_of("lists/a.json", content)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "the file is empty"),
        ('{"data": {}}\n\n{"data', "line 3 is not JSON"),
        ("1\n" + "9" * 5000, "line 2 is not JSON (a number is too long)"),
        ("[" * 100_000, "line 1 is nested too deep"),
        (b'{}\n"\xf1"', "line 2 is not UTF-8"),
        ('{"a": "año"}'.encode("utf-16"), "line 1 is not UTF-8"),
        (b" " * (LARGEST_ITEM + 1), "line 1 has more than"),
    ],
)
def test_broken_json_lines_are_refused(content: str | bytes, problem: str) -> None:
    assert problem in problem_of("lists/a.jsonl", content)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "the file is empty"),
        ("id;prompt\n1;Un faro\n", "separated by semicolons"),
        ("id,prompt\n1,año\n".encode("latin-1"), "line 2 is not UTF-8; in Excel"),
        ("id,prompt\n1,año\n".encode("utf-16"), "line 1 is not UTF-8; in Excel"),
        ("id, prompt\n1,Un faro\n", "column ' prompt' is unknown; did you mean prompt?"),
        ("client id,prompt\n1,Un faro\n", "column 'client id' is unknown; did you mean client_id?"),
        ("faro,Un faro al atardecer\n", "no column is named prompt or prompt_image"),
        ("prompt,prompt\nA quay,A ferry\n", "two columns have the same name"),
        ("prompt,\nA quay,\n", "column 2 has no name"),
        (",,\nA quay,,\n", "line 1 must contain the names of the columns"),
        ('prompt\n"A quay\nA pier\n', "the row that begins in line 2 is not valid CSV"),
        ('prompt\nA quay\n"A" pier\n', "the row that begins in line 3 is not valid CSV"),
        (
            "prompt\rA quay\rA pier\r",
            "the row that begins in line 1 is not valid CSV; check its double quotes and line",
        ),
    ],
)
def test_broken_csv_is_refused(content: str | bytes, problem: str) -> None:
    assert problem in problem_of("lists/a.csv", content)


@pytest.mark.parametrize("name", ["it", "in", "no", "d"])
def test_short_column_is_no_misspelt_id(name: str) -> None:
    assert len(events_of("lists/a.csv", f"{name},prompt\n1,Un faro\n")) == 1


@pytest.mark.parametrize(
    ("key", "content", "problem"),
    [
        (
            "lists/a.json",
            '[{"id": 7, "data": {"prompt": "x"}}, {"id": "7", "data": {"prompt": "y"}}]',
            "id 7 is in item #0 and again in item #1",
        ),
        ("lists/a.csv", 'id,prompt\n1,"A\nquay"\n1,A ferry\n', "id 1 is in line 2 and again in line 4"),
    ],
)
def test_id_that_is_used_twice_is_refused(key: str, content: str, problem: str) -> None:
    assert problem_of(key, content) == problem


def test_two_clients_may_use_one_id() -> None:
    content = "id,client_id,prompt\n1,acme,A quay\n1,other,A quay\n"

    assert [event["client_id"] for event in events_of("lists/a.csv", content)] == ["acme", "other"]


@pytest.mark.parametrize(("key", "content"), [("lists/a.json", " [ ] "), ("lists/a.csv", "id,prompt\n")])
def test_list_without_items_has_no_events(key: str, content: str) -> None:
    assert events_of(key, content) == []


@pytest.mark.parametrize(
    ("key", "name"),
    [("lists/spring.json", "spring"), ("lists/2026/Spring.CSV", "Spring"), ("lists/spring.v2.JsonL", "spring.v2")],
)
def test_batch_is_named_after_its_list(key: str, name: str) -> None:
    assert batch_of(key).name == name
    assert batch_of(key, name="other").name == "other"


@pytest.mark.parametrize("key", ["lists/a.txt", "lists/a", "lists/json", "temporal/cli_1/a.json", "a.json", ""])
def test_key_of_another_file_is_refused(key: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"begins with lists/ and ends in \.json, \.jsonl or \.csv"):
        batch_of(key, name="spring")


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ([], {"input"}),
        ({}, {"list"}),
        ({"list": 1}, {"list"}),
        ({"list": "lists/a.json", "name": " "}, {"name"}),
        ({"list": "lists/a.json", "name": 1}, {"name"}),
        ({"list": "lists/a.json", "clientid": 1}, {"clientid"}),
        ({"list": "lists/a.json", "max_concurrency": "5", "tolerated_failure_percentage": 101}, None),
        ({"list": "lists/a.json", "max_concurrency": True}, {"max_concurrency"}),
        ({"list": "lists/a.json", "max_concurrency": 10_001}, {"max_concurrency"}),
        ({"list": "lists/a.json", "tolerated_failure_percentage": "0"}, {"tolerated_failure_percentage"}),
    ],
)
def test_wrong_input_of_a_batch_is_refused(given: object, fields: set[str] | None) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        Batch.from_input(given, max_concurrency=5, tolerated_failure_percentage=100)

    expected = fields or {"max_concurrency", "tolerated_failure_percentage"}
    assert {error["field"] for error in raised.value.errors} == expected


def test_null_in_the_input_counts_as_absent() -> None:
    batch = batch_of("lists/a.json", name=None, max_concurrency=None, tolerated_failure_percentage=None)

    assert (batch.name, batch.max_concurrency, batch.tolerated_failure_percentage) == ("a", 5, 100)
