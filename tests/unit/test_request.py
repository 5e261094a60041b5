"""The event's rules, each good and bad."""

from typing import Any

import pytest

from generate_image.errors import InvalidRequestError
from generate_image.request import LAMBDA_ANSWER_BYTES, STEP_FUNCTIONS_ANSWER_BYTES, ImageRequest, parse_event
from tests.module import event_for, read_event


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
        ({"prompt_image": None, "prompt": 7}, "config", "config", False),
        ({"prompt_image": ["image"]}, "config", "config", False),
        ({"prompt_image": " image "}, None, " image ", True),
    ],
)
def test_the_first_prompt_that_is_not_blank_is_taken(
    data: dict[str, Any], config_prompt: str | None, prompt: str, *, persistent: bool
) -> None:
    event = {"client_id": 1, "config": {"credentials_id": "openai", "prompt": config_prompt}, "data": data}
    request = parse(event)
    assert request.prompt == prompt
    assert ("data" in request.passed_through) == persistent


@pytest.mark.parametrize("blank", [None, "", "   ", "\n", 0, [], {}, False])
def test_no_prompt_is_an_error(blank: object) -> None:
    event = {"client_id": 1, "config": {"credentials_id": "openai", "prompt": blank}}
    assert "must be a string that is not blank" in problems(event)["prompt"]


def test_persistent_mode_keeps_all_of_the_data() -> None:
    event = read_event("persistent")
    assert parse(event).passed_through == {"nextModule": event["nextModule"], "data": event["data"]}


@pytest.mark.parametrize(
    ("client_id", "parsed"),
    [(0, "0"), (1, "1"), (10**30, str(10**30)), ("acme", "acme"), ("a-B_9", "a-B_9"), ("x" * 64, "x" * 64)],
)
def test_a_client_is_an_integer_or_a_name(client_id: object, parsed: str) -> None:
    assert parse(event_for("p", client_id=client_id)).client_id == parsed


@pytest.mark.parametrize(
    "client_id",
    [None, -1, 1.0, True, "", "../x", "a/b", "a b", "ñ", "x" * 65, "1\n", 10**64, 10**5000, [1], {"id": 1}],
    ids=lambda value: str(type(value)),
)
def test_another_client_is_an_error(client_id: object) -> None:
    assert set(problems(event_for("p", client_id=client_id))) == {"client_id"}


@pytest.mark.parametrize("name", ["credencial-openai", "a.b_c-1", "x" * 128])
def test_a_credential_is_a_name(name: str) -> None:
    event = event_for("p", config={"credentials_id": name, "prompt": "p"})
    assert parse(event).credentials_id == name


@pytest.mark.parametrize(
    "name", [None, "", "a/b", "../openai", "cli_2/openai", "x" * 129, "a b", 7, ["a"], "sk-proj-abc"]
)
def test_another_credential_is_an_error_that_does_not_repeat_it(name: object) -> None:
    found = problems(event_for("p", config={"credentials_id": name, "prompt": "p"}))
    assert set(found) == {"config.credentials_id"}
    assert "sk-proj-abc" not in str(found)


@pytest.mark.parametrize("size", ["512x512", "1024x1024", 7, None, "huge"])
def test_the_size_is_ignored(size: object) -> None:
    assert parse(event_for("p", config={"credentials_id": "openai", "prompt": "p", "size": size})).prompt == "p"


def test_an_absent_next_module_stays_absent() -> None:
    assert parse(event_for("p")).passed_through == {}
    assert parse(event_for("p", nextModule="node")).passed_through == {"nextModule": "node"}
    assert set(problems(event_for("p", nextModule=7))) == {"nextModule"}


def test_the_key_is_the_callers_or_the_invocations() -> None:
    assert parse(event_for("p")).idempotency_key == "request-1"
    assert parse(event_for("p", idempotency_key="pedido 4711 ñ")).idempotency_key == "pedido 4711 ñ"
    assert parse(event_for("p", idempotency_key="k" * 255)).idempotency_key == "k" * 255


@pytest.mark.parametrize("key", ["", "k" * 256, "a\nb", "\x00", 7, ["k"], "\ud800"])
def test_another_key_is_an_error(key: object) -> None:
    assert set(problems(event_for("p", idempotency_key=key))) == {"idempotency_key"}


def test_a_prompt_may_be_as_long_as_the_models_take() -> None:
    assert parse(event_for("p" * 4000), longest_prompt=4000).prompt == "p" * 4000
    assert "4001 characters" in problems(event_for("p" * 4001), longest_prompt=4000)["config.prompt"]


@pytest.mark.parametrize("event", [None, [], "text", 7, True])
def test_an_event_is_an_object(event: object) -> None:
    assert set(problems(event)) == {"event"}


@pytest.mark.parametrize("config", [None, [], "text"])
def test_config_is_an_object(config: object) -> None:
    assert "config.credentials_id" in problems({"client_id": 1, "config": config})


def test_several_faults_are_told_together() -> None:
    found = problems(read_event("bad/several-faults"))
    assert set(found) == {"client_id", "config.credentials_id", "data", "prompt", "idempotency_key", "nextModule"}


def test_what_cannot_be_answered_is_refused() -> None:
    event = event_for("p", data={"prompt_image": "p", "blob": "x" * 250_000})
    assert parse(event).prompt == "p"
    assert set(problems(event, answer_bytes=STEP_FUNCTIONS_ANSWER_BYTES)) == {"data"}
    huge = event_for("p", data={"prompt_image": "p", "blob": "ñ" * 3_200_000})
    assert "6291456 bytes" in problems(huge)["data"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800"])
def test_what_is_no_json_could_not_be_answered_either(value: object) -> None:
    assert set(problems(event_for("p", data={"prompt_image": "p", "value": value}))) == {"event"}


def test_nesting_without_end_is_refused() -> None:
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    assert set(problems(event_for("p", data={"prompt_image": "p", "nested": nested}))) == {"event"}
