"""Checks of single parameters, each in OpenAI's words: a good value out, or a `Refusal`.

`given` is the request's JSON object, without the parameters that are null.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

INVALID_REQUEST = "invalid_request_error"
USER_ERROR = "image_generation_user_error"

_JSON_TYPES = {str: "a string", int: "an integer", bool: "a boolean", float: "a decimal", list: "an array"}


class Refusal(Exception):  # noqa: N818 - it is an answer, not a mistake of the stand-in's
    """An error answer: `status`, and `body`, the JSON document `{"error": {message, type, param, code}}`."""

    def __init__(
        self, message: str, *, status: int = 400, kind: str = INVALID_REQUEST, param: str | None, code: str | None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"message": message, "type": kind, "param": param, "code": code}}


def text(given: Mapping[str, Any], name: str, longest: int | None) -> str | None:
    """Give a string of at most `longest` characters; None where it is left out."""
    value = given.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise wrong_type(name, "a string", value)
    if longest is not None and len(value) > longest:
        raise Refusal(
            f"Invalid '{name}': string too long. Expected a string with maximum length {longest}, but got a string "
            f"with length {len(value)} instead.",
            param=name,
            code="string_above_max_length",
        )
    return value


def choice(given: Mapping[str, Any], name: str, choices: tuple[str, ...], default: str) -> str:
    """Give one of the strings that are allowed."""
    value = given.get(name, default)
    if not isinstance(value, str):
        raise wrong_type(name, "a string", value)
    if value not in choices:
        listed = ", ".join(f"'{choice}'" for choice in choices)
        raise Refusal(f"Invalid value: '{value}'. Supported values are: {listed}.", param=name, code="invalid_value")
    return value


def integer(given: Mapping[str, Any], name: str, least: int, most: int, default: int) -> int:
    """Give an integer from `least` to `most`."""
    value = given.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool):
        raise wrong_type(name, "an integer", value)
    if value < least:
        raise Refusal(
            f"Invalid '{name}': integer below minimum value. Expected a value >= {least}, but got {value} instead.",
            param=name,
            code="integer_below_min_value",
        )
    if value > most:
        raise Refusal(
            f"Invalid '{name}': integer above maximum value. Expected a value <= {most}, but got {value} instead.",
            param=name,
            code="integer_above_max_value",
        )
    return value


def wrong_type(name: str, expected: str, value: object) -> Refusal:
    """Make the refusal of a value that is not what was `expected`."""
    got = _JSON_TYPES.get(type(value), "an object")
    return Refusal(
        f"Invalid type for '{name}': expected {expected}, but got {got} instead.", param=name, code="invalid_type"
    )
