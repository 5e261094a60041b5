"""The module's event: its fields, every problem of it at once, and the identity of the request."""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import uuid5

from generate_image.errors import InvalidRequestError
from generate_image.options import NO_OPTIONS, OPTIONS, OptionRules, Options, option_problems
from generate_image.settings import Settings

LAMBDA_ANSWER_BYTES = 6 * 1024 * 1024
"""https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""
STEP_FUNCTIONS_ANSWER_BYTES = 262_144
"""https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html"""
ANSWER_OVERHEAD_BYTES = 16 * 1024
"""The part of an answer that is not the caller's own data: the links, the key, the usage and the caller's wrapping."""
MAX_DEPTH = 100
"""Levels of nested objects and arrays. Python's own limits begin at some 970 levels, after the purchase."""

CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
CREDENTIALS_ID = re.compile(r"[A-Za-z0-9_.-]{1,128}")
IDEMPOTENCY_KEY_LENGTH = 255
INVALID_LIST_ITEM = "invalid_list_item"
"""The only field of an event that prepare_list makes of a bad line. Its value is the problem."""

TOP_FIELDS = ("client_id", "nextModule", "config", "data", "idempotency_key")
CONFIG_FIELDS = ("credentials_id", "prompt", "size", "options")
"""``size`` is ignored, as in version 1."""
PROMPT_FIELDS = (("data", "prompt_image"), ("data", "prompt"), ("config", "prompt"))


class ImageRequest(NamedTuple):
    """A checked request.

    prompt_field: the field that the prompt came from, such as ``data.prompt``. passed_through: the part of the event
    that the answer repeats: ``nextModule`` if present, ``data`` in persistent mode. options: those that the
    caller gave.
    """

    client_id: str
    credentials_id: str
    prompt: str
    prompt_field: str
    idempotency_key: str
    passed_through: Mapping[str, Any] = MappingProxyType({})
    options: Options = NO_OPTIONS


def image_id(request: ImageRequest, settings: Settings) -> str:
    """Return the id of the requested picture. All requests of a client with one key have the same id."""
    return str(uuid5(settings.image_namespace, f"{request.client_id}/{request.idempotency_key}"))


def request_hash(request: ImageRequest, settings: Settings) -> str:
    """Return the hash of the values that decide the picture. It reveals another request under the same key.

    The stack's GUID is its salt: the hash is also in the picture's metadata, and must not confirm a guessed prompt.
    Without options, the hash is that of version 1.
    """
    decisive: list[Any] = [request.prompt, request.credentials_id, settings.image_models, settings.image_quality]
    if request.options:
        decisive.append(dict(sorted(request.options.items())))
    return hashlib.sha256(settings.image_namespace.bytes + json.dumps(decisive).encode()).hexdigest()


def parse_event(
    event: object,
    *,
    default_key: str,
    longest_prompt: int,
    answer_bytes: int = LAMBDA_ANSWER_BYTES,
    option_rules: OptionRules = OptionRules(),  # noqa: B008  # immutable
) -> ImageRequest:
    """Check a flow's event and return its request.

    default_key: the idempotency key of an event without one. longest_prompt: in characters. answer_bytes: the largest
    answer that the caller accepts. option_rules: the operator's. Raises InvalidRequestError, which lists every problem.
    """
    if not isinstance(event, dict):
        raise InvalidRequestError.listing([_problem("event", "must be a JSON object")])
    if set(event) == {INVALID_LIST_ITEM}:
        raise InvalidRequestError.listing([_problem("item", str(event[INVALID_LIST_ITEM]))])
    if _is_deeper_than(MAX_DEPTH, event):
        problem = f"must not be nested deeper than {MAX_DEPTH} levels"
        raise InvalidRequestError.listing([_problem("event", problem)])
    problems = _Problems()
    client_id = _client_id(event.get("client_id"), problems)
    config = _object(event, "config", problems)
    data = _object(event, "data", problems)
    problems.extend(misspelt("", event, TOP_FIELDS))
    problems.extend(misspelt("config.", config, CONFIG_FIELDS))
    problems.extend(misspelt("data.", data, ("prompt_image", "prompt")))
    credentials_id = "" if "config" in problems.fields else _credentials_id(config.get("credentials_id"), problems)
    options = _options(config, option_rules, problems)
    prompt, prompt_field = _prompt(event, longest_prompt, problems)
    key = _idempotency_key(event.get("idempotency_key"), default_key, problems)
    passed_through: dict[str, Any] = {}
    if event.get("nextModule") is not None:
        passed_through["nextModule"] = event["nextModule"]
        if not isinstance(event["nextModule"], str):
            problems.add("nextModule", "must be a string")
    if prompt_field == "data.prompt_image":
        passed_through["data"] = data
    _check_answer(passed_through, prompt, answer_bytes, problems)
    if problems:
        raise InvalidRequestError.listing(problems)
    return ImageRequest(client_id, credentials_id, prompt, prompt_field, key, passed_through, options)


def _problem(field: str, problem: str) -> dict[str, str]:
    return {"field": field, "problem": problem}


class _Problems(list[dict[str, str]]):
    @property
    def fields(self) -> set[str]:
        return {problem["field"] for problem in self}

    def add(self, field: str, problem: str) -> None:
        self.append(_problem(field, problem))


def _is_deeper_than(levels: int, event: Mapping[str, Any]) -> bool:
    """Return whether a JSON value has more levels. It reads level by level, because recursion has a limit."""
    level: list[Any] = [event]
    for _ in range(levels):
        level = [child for value in level for child in _children(value)]
        if not level:
            return False
    return True


def _children(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def misspelt(path: str, fields: Mapping[str, Any], known: Iterable[str]) -> Iterator[dict[str, str]]:
    """Yield a problem for each unknown field that resembles a known field that is absent."""
    absent = [name for name in known if name not in fields]
    for field in (str(field) for field in fields if field not in known):
        for name in absent:
            if _resembles(_folded(field), _folded(name)):
                yield _problem(f"{path}{field}", f"unknown; did you mean {name}?")
                break


def _folded(name: str) -> str:
    return re.sub(r"[_\-\s]", "", name).casefold()


def _resembles(one: str, other: str) -> bool:
    """Return whether two names differ by at most one letter: replaced, added, left out, or swapped with the next."""
    while one and one[0] == other[:1]:
        one, other = one[1:], other[1:]
    is_swapped = one[:2] == other[:2][::-1] and one[2:] == other[2:]
    return is_swapped or one[1:] in (other, other[1:]) or one == other[1:]


def _client_id(value: object, problems: _Problems) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**64:
        return str(value)
    if isinstance(value, str) and CLIENT_ID.fullmatch(value):
        return value
    wanted = "must be an integer from 0, or a string of at most 64 letters, digits, - and _"
    problems.add("client_id", "is required" if value is None else wanted)
    return ""


def _object(event: Mapping[str, Any], name: str, problems: _Problems) -> dict[str, Any]:
    value = event.get(name)
    if isinstance(value, dict):
        return value
    if value is not None:
        problems.add(name, "must be a JSON object")
    return {}


def _credentials_id(value: object, problems: _Problems) -> str:
    if isinstance(value, str) and CREDENTIALS_ID.fullmatch(value) and not value.startswith("sk-"):
        return value
    wanted = "must be a secret's name: at most 128 letters, digits, -, _ and ., neither a path nor the key itself"
    problems.add("config.credentials_id", "is required" if value is None else wanted)
    return ""


def _options(config: Mapping[str, Any], rules: OptionRules, problems: _Problems) -> Options:
    """Return the given options; null counts as absent."""
    value = config.get("options")
    if value is not None and not isinstance(value, dict):
        problems.add("config.options", "must be a JSON object")
    options = {name: option for name, option in value.items() if option is not None} if isinstance(value, dict) else {}
    guesses = list(misspelt("config.options.", options, OPTIONS))
    guessed = {guess["field"] for guess in guesses}
    problems.extend(guesses)
    for name, problem in option_problems(options, rules):
        field = f"config.options.{name}".removesuffix(".")
        if field not in guessed:
            problems.add(field, problem)
    return options


def _prompt(event: Mapping[str, Any], longest: int, problems: _Problems) -> tuple[str, str]:
    """Return the prompt and its field."""
    found = ("", "")
    for place, name in PROMPT_FIELDS:
        fields = event.get(place)
        value = fields.get(name) if isinstance(fields, dict) else None
        if value is not None and not isinstance(value, str):
            problems.add(f"{place}.{name}", "must be a string")
        elif value and value.strip() and not found[0]:
            found = (value, f"{place}.{name}")
            if len(value) > longest:
                problems.add(f"{place}.{name}", f"has {len(value)} characters; the models accept {longest}")
    if not found[0] and not problems.fields & {"config", "data", *(".".join(path) for path in PROMPT_FIELDS)}:
        problems.add("prompt", "one of data.prompt_image, data.prompt and config.prompt must be a non-blank string")
    return found


def _idempotency_key(value: object, default: str, problems: _Problems) -> str:
    if value is None:
        return default
    if isinstance(value, str) and 0 < len(value) <= IDEMPOTENCY_KEY_LENGTH and value.isprintable():
        return value
    problems.add("idempotency_key", f"must be a string of 1 to {IDEMPOTENCY_KEY_LENGTH} printable characters")
    return default


def _check_answer(passed_through: Mapping[str, Any], prompt: str, answer_bytes: int, problems: _Problems) -> None:
    """Check that the answer can be returned, before anything is bought."""
    field = "data" if "data" in passed_through else "event"
    try:
        text = json.dumps([passed_through, prompt], ensure_ascii=False, allow_nan=False)
    except ValueError:
        problems.add(field, "must not contain NaN or Infinity: JSON has no such numbers")
        return
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        problems.add(field, "must not contain lone surrogates: UTF-8 cannot encode them")
        return
    if size + ANSWER_OVERHEAD_BYTES > answer_bytes:
        problems.add(field, f"is too large: its answer would exceed the {answer_bytes} bytes that the caller accepts")
