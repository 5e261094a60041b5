"""The rules of the event, each with accepted and refused values."""

from typing import Any

import pytest

from generate_image.errors import InvalidRequestError
from generate_image.event import (
    LAMBDA_ANSWER_BYTES,
    MAX_DEPTH,
    STEP_FUNCTIONS_ANSWER_BYTES,
    ImageRequest,
    parse_event,
)
from tests.events import event_for, read_event


def parse(event: object, *, longest_prompt: int = 32_000, answer_bytes: int = LAMBDA_ANSWER_BYTES) -> ImageRequest:
    return parse_event(event, default_key="request-1", longest_prompt=longest_prompt, answer_bytes=answer_bytes)


def problems(event: object, *, longest_prompt: int = 32_000, answer_bytes: int = LAMBDA_ANSWER_BYTES) -> dict[str, str]:
    with pytest.raises(InvalidRequestError) as caught:
        parse(event, longest_prompt=longest_prompt, answer_bytes=answer_bytes)
    assert caught.value.errors
    for error in caught.value.errors:
        assert f"{error['field']}: {error['problem']}" in str(caught.value)
    return {error["field"]: error["problem"] for error in caught.value.errors}


@pytest.mark.parametrize(
    ("data", "config_prompt", "prompt", "persistent"),
    [
        ({"prompt_image": "image", "prompt": "data"}, "config", "image", True),
        ({"prompt": "data"}, "config", "data", False),
        ({}, "config", "config", False),
        ({"prompt_image": "  ", "prompt": "data"}, "config", "data", False),
        ({"prompt_image": "\n\t", "prompt": ""}, "config", "config", False),
        ({"prompt_image": None}, "config", "config", False),
        ({"prompt_image": " image "}, None, " image ", True),
    ],
)
def test_first_non_blank_prompt_is_used(
    data: dict[str, Any], config_prompt: str | None, prompt: str, *, persistent: bool
) -> None:
    event = {"client_id": 1, "config": {"credentials_id": "openai", "prompt": config_prompt}, "data": data}
    request = parse(event)
    assert request.prompt == prompt
    assert ("data" in request.passed_through) == persistent


@pytest.mark.parametrize("blank", [None, "", "   ", "\n"])
def test_missing_prompt_is_refused(blank: object) -> None:
    event = {"client_id": 1, "config": {"credentials_id": "openai", "prompt": blank}}
    assert set(problems(event)) == {"prompt"}


@pytest.mark.parametrize("value", [0, [], {"text": "x"}, False])
@pytest.mark.parametrize("field", ["data.prompt_image", "data.prompt", "config.prompt"])
def test_prompt_of_another_type_is_refused(field: str, value: object) -> None:
    event = event_for("p", data={})
    place, _, name = field.partition(".")
    event[place][name] = value
    assert problems(event) == {field: "must be a string"}


@pytest.mark.parametrize(
    ("event", "field", "meant"),
    [
        (event_for("p", data={"promt_image": "x"}), "data.promt_image", "prompt_image"),
        (event_for("p", data={"promptImage": "x"}), "data.promptImage", "prompt_image"),
        (event_for("p", nextmodule="n"), "nextmodule", "nextModule"),
        (event_for("p", next_module="n"), "next_module", "nextModule"),
        (event_for("p", idempotencyKey="k"), "idempotencyKey", "idempotency_key"),
        (event_for("p", **{"idempotency-key": "k"}), "idempotency-key", "idempotency_key"),
        (event_for("p", config={"credentials_id": "c", "prompt": "p", "siez": "x"}), "config.siez", "size"),
        (event_for("p", config={"credential_id": "c", "prompt": "p"}), "config.credential_id", "credentials_id"),
        (event_for("p", config={"credentials_id": "c", "promt": "p"}), "config.promt", "prompt"),
    ],
)
def test_misspelt_field_is_refused(event: dict[str, Any], field: str, meant: str) -> None:
    assert problems(event)[field] == f"unknown; did you mean {meant}?"


def test_other_unknown_fields_are_allowed() -> None:
    config = {"credentials_id": "c", "prompt": "p", "temperature": 1}
    assert parse(event_for("p", flow="x", config=config, data={"pedido": 1})).prompt == "p"
    both = event_for("p", data={"prompt": "p", "prompts": ["of the caller"], "prompt_image": "q"})
    assert parse(both).prompt == "q"


def test_persistent_mode_passes_data_through() -> None:
    event = read_event("persistent")
    assert parse(event).passed_through == {"nextModule": event["nextModule"], "data": event["data"]}


@pytest.mark.parametrize(
    ("client_id", "parsed"),
    [(0, "0"), (1, "1"), (10**30, str(10**30)), ("acme", "acme"), ("a-B_9", "a-B_9"), ("x" * 64, "x" * 64)],
)
def test_client_is_an_integer_or_a_name(client_id: object, parsed: str) -> None:
    assert parse(event_for("p", client_id=client_id)).client_id == parsed


@pytest.mark.parametrize(
    "client_id",
    [None, -1, 1.0, True, "", "../x", "a/b", "a b", "ñ", "x" * 65, "1\n", 10**64, 10**5000, [1], {"id": 1}],
    ids=lambda value: str(type(value)),
)
def test_other_client_is_refused(client_id: object) -> None:
    assert set(problems(event_for("p", client_id=client_id))) == {"client_id"}


@pytest.mark.parametrize("name", ["credencial-openai", "a.b_c-1", "x" * 128])
def test_credential_is_a_name(name: str) -> None:
    event = event_for("p", config={"credentials_id": name, "prompt": "p"})
    assert parse(event).credentials_id == name


@pytest.mark.parametrize(
    "name", [None, "", "a/b", "../openai", "cli_2/openai", "x" * 129, "a b", 7, ["a"], "sk-proj-abc"]
)
def test_refused_credential_is_not_repeated(name: object) -> None:
    found = problems(event_for("p", config={"credentials_id": name, "prompt": "p"}))
    assert set(found) == {"config.credentials_id"}
    assert "sk-proj-abc" not in str(found)


@pytest.mark.parametrize("size", ["512x512", "1024x1024", 7, None, "huge"])
def test_size_is_ignored(size: object) -> None:
    assert parse(event_for("p", config={"credentials_id": "openai", "prompt": "p", "size": size})).prompt == "p"


def test_absent_next_module_stays_absent() -> None:
    assert parse(event_for("p")).passed_through == {}
    assert parse(event_for("p", nextModule="node")).passed_through == {"nextModule": "node"}
    assert set(problems(event_for("p", nextModule=7))) == {"nextModule"}


def test_default_key_is_that_of_the_invocation() -> None:
    assert parse(event_for("p")).idempotency_key == "request-1"
    assert parse(event_for("p", idempotency_key="pedido 4711 ñ")).idempotency_key == "pedido 4711 ñ"
    assert parse(event_for("p", idempotency_key="k" * 255)).idempotency_key == "k" * 255


@pytest.mark.parametrize("key", ["", "k" * 256, "a\nb", "\x00", 7, ["k"], "\ud800"])
def test_other_key_is_refused(key: object) -> None:
    assert set(problems(event_for("p", idempotency_key=key))) == {"idempotency_key"}


def test_prompt_length_is_that_of_the_models() -> None:
    assert parse(event_for("p" * 4000), longest_prompt=4000).prompt == "p" * 4000
    assert "4001 characters" in problems(event_for("p" * 4001), longest_prompt=4000)["config.prompt"]


@pytest.mark.parametrize("event", [None, [], "text", 7, True])
def test_event_is_an_object(event: object) -> None:
    assert set(problems(event)) == {"event"}


@pytest.mark.parametrize("config", [[], "text"])
def test_config_of_another_type_is_one_problem(config: object) -> None:
    assert set(problems({"client_id": 1, "config": config})) == {"config"}


def test_all_problems_are_listed_together() -> None:
    found = problems(read_event("bad/several-faults"))
    assert set(found) == {"client_id", "config.credentials_id", "data", "idempotency_key", "nextModule"}


def test_too_large_answer_is_refused() -> None:
    event = event_for("p", data={"prompt_image": "p", "blob": "x" * 250_000})
    assert parse(event).prompt == "p"
    assert set(problems(event, answer_bytes=STEP_FUNCTIONS_ANSWER_BYTES)) == {"data"}
    huge = event_for("p", data={"prompt_image": "p", "blob": "ñ" * 3_200_000})
    assert "6291456 bytes" in problems(huge)["data"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800"])
def test_value_outside_json_is_refused(value: object) -> None:
    assert set(problems(event_for("p", data={"prompt_image": "p", "value": value}))) == {"data"}


def nested(levels: int) -> dict[str, Any]:
    value: list[Any] = []
    for _ in range(levels - 3):  # the event, data, and the innermost list
        value = [value]
    return event_for("p", data={"prompt_image": "p", "nested": value})


@pytest.mark.parametrize("levels", [MAX_DEPTH + 1, 975, 10_000])
def test_deep_nesting_is_refused(levels: int) -> None:
    assert problems(nested(levels)) == {"event": f"must not be nested deeper than {MAX_DEPTH} levels"}


def test_nesting_up_to_the_bound_is_accepted() -> None:
    assert parse(nested(MAX_DEPTH)).prompt == "p"


def test_bad_line_of_a_list_is_refused_with_its_problem() -> None:
    assert problems({"invalid_list_item": "line 3: is not JSON"}) == {"item": "line 3: is not JSON"}
