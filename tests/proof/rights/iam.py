"""An evaluator of IAM policies, as far as this project's policies use IAM's rules. It refuses everything else.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

Statement = Mapping[str, Any]
UNDERSTOOD = {"Sid", "Effect", "Action", "Resource", "Condition"}
PATTERNS = {"StringLike", "ArnLike", "ArnEquals"}


class Request(NamedTuple):
    """A right that an API call needs. context: the condition keys of the call."""

    action: str
    resource: str
    context: Mapping[str, str] = {}


class Grant(NamedTuple):
    """One value of a statement: an action, a resource or a value of a condition. rest: the statement without it."""

    value: str
    rest: Statement


def allows(statements: Iterable[Statement], request: Request) -> bool:
    """Return whether a statement allows the request and none denies it."""
    return {statement["Effect"] for statement in statements if _applies(statement, request)} == {"Allow"}


def listed(value: str | list[str]) -> list[str]:
    """Return a policy's value as a list."""
    return [value] if isinstance(value, str) else value


def actions_of(statement: Statement) -> list[Grant]:
    """Return each action of a statement."""
    return list(_grants(statement, "Action"))


def limits_of(statement: Statement) -> list[Grant]:
    """Return each resource and each value of a condition of a statement."""
    grants = list(_grants(statement, "Resource"))
    conditions = statement.get("Condition", {})
    for operator, keys in conditions.items():
        for key in keys:
            grants += [
                Grant(value, {**statement, "Condition": {**conditions, operator: {**keys, key: rest[key]}}})
                for value, rest in _grants(keys, key)
            ]
    return grants


def _grants(values: Mapping[str, Any], name: str) -> Iterator[Grant]:
    for value in listed(values[name]):
        yield Grant(value, {**values, name: [other for other in listed(values[name]) if other != value]})


def _applies(statement: Statement, request: Request) -> bool:
    if not_understood := statement.keys() - UNDERSTOOD:
        raise NotImplementedError(not_understood)
    actions = [action.lower() for action in listed(statement["Action"])]
    return (
        any(fnmatchcase(request.action.lower(), action) for action in actions)
        and any(fnmatchcase(request.resource, resource) for resource in listed(statement["Resource"]))
        and all(
            _holds(operator, listed(wanted), request.context.get(key))
            for operator, keys in statement.get("Condition", {}).items()
            for key, wanted in keys.items()
        )
    )


def _holds(operator: str, wanted: list[str], actual: str | None) -> bool:
    """Return whether a condition holds. It does not hold for a key that the request does not have."""
    if operator == "StringEquals":
        return actual in wanted
    if operator not in PATTERNS:
        raise NotImplementedError(operator)
    return actual is not None and any(fnmatchcase(actual, pattern) for pattern in wanted)
