"""The rules of the event, each with accepted and refused values."""

from functools import reduce
from typing import Any

import pytest

from generate_image.errors import InvalidRequestError
from generate_image.event import LAMBDA_ANSWER_BYTES, MAX_DEPTH, STEP_FUNCTIONS_ANSWER_BYTES, ImageRequest, parse_event
from tests.events import read_event

CLIENTS: dict[object, str] = {0: "0", 1: "1", 10**30: str(10**30), "a-B_9": "a-B_9", "x" * 64: "x" * 64}
NO_CLIENTS = [None, -1, 1.0, True, "", "../x", "a/b", "a b", "ñ", "x" * 65, "1\n", 10**64, 10**5000, [1], {"id": 1}]
NO_CREDENTIALS = [None, "", "a/b", "../openai", "cli_2/openai", "x" * 129, "a b", 7, ["a"], "sk-proj-abc"]
NO_KEYS = ["", "k" * 256, "a\nb", "\x00", 7, ["k"], "\ud800"]
NO_TEXTS = [0, [], {"text": "x"}, False]


def parse(event: object, *, longest_prompt: int = 32_000, answer_bytes: int = LAMBDA_ANSWER_BYTES) -> ImageRequest:
    return parse_event(event, default_key="request-1", longest_prompt=longest_prompt, answer_bytes=answer_bytes)


def problems(event: object, **limits: int) -> dict[str, str]:
    with pytest.raises(InvalidRequestError) as caught:
        parse(event, **limits)
    for error in caught.value.errors:
        assert f"{error['field']}: {error['problem']}" in str(caught.value)
    return {error["field"]: error["problem"] for error in caught.value.errors}


def event_with(field: str, value: object) -> dict[str, Any]:
    """Return a valid event with one other value. field: such as ``data.prompt``."""
    event: dict[str, Any] = {"client_id": 1, "config": {"credentials_id": "c", "prompt": "p"}, "data": {}}
    place, _, name = field.rpartition(".")
    (event[place] if place else event)[name] = value
    return event


@pytest.mark.parametrize(
    ("data", "prompt", "field"),
    [
        ({"prompt_image": " image ", "prompt": "data"}, " image ", "data.prompt_image"),
        ({"prompt_image": "  ", "prompt": "data"}, "data", "data.prompt"),
        ({"prompt_image": "\n\t", "prompt": ""}, "p", "config.prompt"),
        ({"prompt_image": None}, "p", "config.prompt"),
    ],
)
def test_first_non_blank_prompt_is_used(data: dict[str, Any], prompt: str, field: str) -> None:
    request = parse(event_with("data", data))
    assert (request.prompt, request.prompt_field) == (prompt, field)
    assert request.passed_through == ({"data": data} if field == "data.prompt_image" else {})


def test_values_of_the_caller_are_kept() -> None:
    for client_id, parsed in CLIENTS.items():
        assert parse(event_with("client_id", client_id)).client_id == parsed
    for name in ("a.b_c-1", "x" * 128):
        assert parse(event_with("config.credentials_id", name)).credentials_id == name
    for key in ("pedido 4711 ñ", "k" * 255):
        assert parse(event_with("idempotency_key", key)).idempotency_key == key
    event = read_event("persistent")
    assert parse(event).passed_through == {"nextModule": event["nextModule"], "data": event["data"]}
    # absent values have defaults
    assert parse(event_with("nextModule", None)) == ImageRequest("1", "c", "p", "config.prompt", "request-1")


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("client_id", NO_CLIENTS),
        ("config.credentials_id", NO_CREDENTIALS),
        ("idempotency_key", NO_KEYS),
        ("nextModule", NO_TEXTS),
        ("data.prompt_image", NO_TEXTS),
        ("data.prompt", NO_TEXTS),
        ("config.prompt", NO_TEXTS),
        ("config", [[], "text"]),
        ("data", [[], "text"]),
    ],
)
def test_wrong_value_is_the_only_problem(field: str, values: list[object]) -> None:
    for value in values:
        found = problems(event_with(field, value))
        assert found.keys() == {field}
        assert (found[field] == "is required") == (value is None)
        assert "sk-proj-abc" not in str(found)


def test_event_is_an_object_and_all_problems_are_listed() -> None:
    for wrong in (None, [1], "text", 7, True):
        assert problems(wrong) == {"event": "must be a JSON object"}
    for blank in (None, "", "  \n"):
        assert problems(event_with("config.prompt", blank)).keys() == {"prompt"}
    found = problems(read_event("bad/several-faults"))
    assert found.keys() == {"client_id", "config.credentials_id", "data", "idempotency_key", "nextModule"}
    assert problems({"invalid_list_item": "line 3: is not JSON"}) == {"item": "line 3: is not JSON"}


@pytest.mark.parametrize(
    ("field", "meant"),
    [
        ("data.promt_image", "prompt_image"),
        ("next_module", "nextModule"),
        ("idempotency-key", "idempotency_key"),
        *((f"config.{typo}", "size") for typo in ("isze", "sise", "sizes")),
    ],
)
def test_misspelt_field_is_refused(field: str, meant: str) -> None:
    assert problems(event_with(field, "x")) == {field: f"unknown; did you mean {meant}?"}


def test_size_and_other_unknown_fields_are_ignored() -> None:
    """A caller may have fields of its own, also beside the field that they resemble."""
    for field in ("flow", "config.temperature", "config.seeze", "config.isez", "config.prompts", "data.pedido"):
        assert parse(event_with(field, "x")) == parse(event_with("flow", None))
    for size in ("512x512", 7, None, "huge"):
        assert parse(event_with("config.size", size)) == parse(event_with("flow", None))


def test_prompt_length_is_that_of_the_models() -> None:
    assert parse(event_with("config.prompt", "p" * 4000), longest_prompt=4000).prompt == "p" * 4000
    found = problems(event_with("config.prompt", "p" * 4001), longest_prompt=4000)
    assert found == {"config.prompt": "has 4001 characters; the models accept 4000"}


def test_answer_is_json_below_its_limit() -> None:
    event = event_with("data", {"prompt_image": "p", "blob": "x" * 250_000})
    assert parse(event).prompt == "p"
    assert problems(event, answer_bytes=STEP_FUNCTIONS_ANSWER_BYTES).keys() == {"data"}
    huge = event_with("data", {"prompt_image": "p", "blob": "ñ" * 3_200_000})
    assert "6291456 bytes" in problems(huge)["data"]
    for value in (float("nan"), float("inf"), "\ud800"):
        assert problems(event_with("data", {"prompt_image": "p", "value": value})).keys() == {"data"}
    assert problems(event_with("config.prompt", "\ud800")).keys() == {"event"}


@pytest.mark.parametrize("levels", [MAX_DEPTH, MAX_DEPTH + 1, 975, 10_000])
def test_deep_nesting_is_refused(levels: int) -> None:
    innermost: list[Any] = []
    nested = reduce(lambda value, _: [value], range(levels - 3), innermost)  # with it, the event and data: 3 levels
    event = event_with("data", {"prompt_image": "p", "nested": nested})
    if levels > MAX_DEPTH:
        assert problems(event) == {"event": f"must not be nested deeper than {MAX_DEPTH} levels"}
    else:
        assert parse(event).prompt == "p"
