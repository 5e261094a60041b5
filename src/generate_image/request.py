"""The module's event: what a caller may ask for, and every problem of it at once."""

import json
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from generate_image.errors import InvalidRequestError

LAMBDA_ANSWER_BYTES = 6 * 1024 * 1024
"""https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""
STEP_FUNCTIONS_ANSWER_BYTES = 262_144
"""https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html"""
ANSWER_OVERHEAD_BYTES = 16 * 1024
"""What an answer holds besides the caller's own data: the links, the key, the usage, and how a caller wraps it."""

CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
CREDENTIALS_ID = re.compile(r"[A-Za-z0-9_.-]{1,128}")
IDEMPOTENCY_KEY_LENGTH = 255


class ImageRequest(NamedTuple):
    """What a caller asks for, checked."""

    client_id: str
    credentials_id: str
    prompt: str
    idempotency_key: str
    passed_through: Mapping[str, Any] = MappingProxyType({})
    """What of the event comes back in the answer: ``nextModule`` where given, ``data`` in persistent mode."""


def parse_event(
    event: object, *, default_key: str, longest_prompt: int, answer_bytes: int = LAMBDA_ANSWER_BYTES
) -> ImageRequest:
    """Check a flow's event and return what it asks for.

    default_key: the idempotency key where the event has none. longest_prompt: in characters. answer_bytes: the largest
    answer that the caller can be given. Raises InvalidRequestError, which lists every problem at once.
    """
    if not isinstance(event, dict):
        raise InvalidRequestError.listing([_problem("event", "must be a JSON object")])
    problems: list[dict[str, str]] = []
    client_id = _client_id(event.get("client_id"), problems)
    config = _object(event, "config", problems)
    credentials_id = _credentials_id(config.get("credentials_id"), problems)
    data = _object(event, "data", problems)
    prompt, persistent = _prompt(config, data, longest_prompt, problems)
    key = _idempotency_key(event.get("idempotency_key"), default_key, problems)
    passed_through: dict[str, Any] = {}
    if event.get("nextModule") is not None:
        passed_through["nextModule"] = event["nextModule"]
        if not isinstance(event["nextModule"], str):
            problems.append(_problem("nextModule", "must be a string"))
    if persistent:
        passed_through["data"] = data
    _check_size(passed_through, prompt, answer_bytes, problems)
    if problems:
        raise InvalidRequestError.listing(problems)
    return ImageRequest(
        client_id=client_id,
        credentials_id=credentials_id,
        prompt=prompt,
        idempotency_key=key,
        passed_through=passed_through,
    )


def _problem(name: str, problem: str) -> dict[str, str]:
    return {"field": name, "problem": problem}


def _client_id(value: object, problems: list[dict[str, str]]) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**64:
        return str(value)
    if isinstance(value, str) and CLIENT_ID.fullmatch(value):
        return value
    wanted = "must be an integer from 0, or a string of at most 64 letters, digits, - and _"
    problems.append(_problem("client_id", "is required" if value is None else wanted))
    return ""


def _object(event: Mapping[str, Any], name: str, problems: list[dict[str, str]]) -> dict[str, Any]:
    value = event.get(name)
    if isinstance(value, dict):
        return value
    if value is not None:
        problems.append(_problem(name, "must be a JSON object"))
    return {}


def _credentials_id(value: object, problems: list[dict[str, str]]) -> str:
    if isinstance(value, str) and CREDENTIALS_ID.fullmatch(value) and not value.startswith("sk-"):
        return value
    wanted = "must be a secret's name: at most 128 letters, digits, -, _ and ., neither a path nor the key itself"
    problems.append(_problem("config.credentials_id", "is required" if value is None else wanted))
    return ""


def _prompt(
    config: Mapping[str, Any], data: Mapping[str, Any], longest: int, problems: list[dict[str, str]]
) -> tuple[str, bool]:
    """Return the prompt, and whether it makes the mode persistent."""
    candidates = {
        "data.prompt_image": data.get("prompt_image"),
        "data.prompt": data.get("prompt"),
        "config.prompt": config.get("prompt"),
    }
    for name, value in candidates.items():
        if isinstance(value, str) and value.strip():
            if len(value) > longest:
                problems.append(_problem(name, f"is {len(value)} characters long; the models take {longest}"))
            return value, name == "data.prompt_image"
    wanted = "one of data.prompt_image, data.prompt and config.prompt must be a string that is not blank"
    problems.append(_problem("prompt", wanted))
    return "", False


def _idempotency_key(value: object, default: str, problems: list[dict[str, str]]) -> str:
    if value is None:
        return default
    if isinstance(value, str) and 0 < len(value) <= IDEMPOTENCY_KEY_LENGTH and value.isprintable():
        return value
    problems.append(
        _problem("idempotency_key", f"must be a string of 1 to {IDEMPOTENCY_KEY_LENGTH} printable characters")
    )
    return default


def _check_size(
    passed_through: Mapping[str, Any], prompt: str, answer_bytes: int, problems: list[dict[str, str]]
) -> None:
    """See that the answer can be given, before anything is bought.

    What is not JSON (Python reads NaN and lone surrogates, the next reader does not) could not be given either.
    """
    try:
        size = len(json.dumps([passed_through, prompt], ensure_ascii=False, allow_nan=False).encode())
    except (ValueError, RecursionError):
        wanted = "must be JSON in UTF-8: no NaN, no Infinity, no lone surrogates, no nesting thousands deep"
        problems.append(_problem("event", wanted))
        return
    if size + ANSWER_OVERHEAD_BYTES > answer_bytes:
        wanted = f"is too large: its answer would pass the {answer_bytes} bytes that the caller can be given"
        problems.append(_problem("data" if "data" in passed_through else "event", wanted))
