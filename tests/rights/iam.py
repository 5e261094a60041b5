"""What a policy allows, by IAM's rules, as far as this project's policies use them; anything else is refused.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

UNDERSTOOD = {"Sid", "Effect", "Action", "Resource", "Condition"}


@dataclass(frozen=True, slots=True)
class Request:
    """What IAM is asked for one API call. context: the condition keys that the call has."""

    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)


def allows(statements: Sequence[Mapping[str, Any]], request: Request) -> bool:
    """Tell whether these statements allow a request: one allows it, and none denies it."""
    effects = {statement["Effect"] for statement in statements if _applies(statement, request)}
    return effects == {"Allow"}


def actions(statement: Mapping[str, Any]) -> list[str]:
    """Return a statement's actions."""
    return _listed(statement["Action"])


def matches(pattern: str, text: str, *, ignore_case: bool = False) -> bool:
    """Tell whether a pattern of IAM's, with `*` and `?`, covers a text."""
    translated = "".join({"*": ".*", "?": "."}.get(character, re.escape(character)) for character in pattern)
    return re.fullmatch(translated, text, re.DOTALL | (re.IGNORECASE if ignore_case else 0)) is not None


def _applies(statement: Mapping[str, Any], request: Request) -> bool:
    if not_understood := statement.keys() - UNDERSTOOD:
        raise NotImplementedError(not_understood)
    return (
        any(matches(pattern, request.action, ignore_case=True) for pattern in actions(statement))
        and any(matches(pattern, request.resource) for pattern in _listed(statement["Resource"]))
        and all(
            _holds(operator, _listed(wanted), request.context.get(key))
            for operator, keys in statement.get("Condition", {}).items()
            for key, wanted in keys.items()
        )
    )


def _holds(operator: str, wanted: list[str], actual: str | None) -> bool:
    """Tell whether a condition holds. One about a key that the request does not have does not."""
    if operator == "StringEquals":
        return actual in wanted
    if operator in {"StringLike", "ArnLike"}:
        return actual is not None and any(matches(pattern, actual) for pattern in wanted)
    raise NotImplementedError(operator)


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
