"""The queue of faults to come: which request meets which fault."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from random import Random
from threading import Lock
from typing import Any

from .fault import Delivery, Fault, Route
from .faults import CATALOGUE

_NUMBERS = {"delay", "pause", "retry_after"}
_COUNTS = {"status", "size", "downloads"}
_RULE_FIELDS = {"fault", "faults", "match", "times", "rate", "seed"}
_FAULT_FIELDS = {*_NUMBERS, *_COUNTS, "bills", "body", "headers", "retry_after_form", "url", "route", "delivery"}
_MATCH_FIELDS = {"prompt_contains", "model"}


class ScriptError(ValueError):
    """A rule that makes no sense; its message says why."""


@dataclass
class Rule:
    """Faults for the requests that match, one of them for each, `left` times (None: without end)."""

    names: tuple[str, ...]
    faults: tuple[Fault, ...]
    prompt_contains: str | None
    model: str | None
    left: int | None
    rate: float
    random: Random = field(repr=False)

    def strikes(self, route: Route, model: object, prompt: object) -> tuple[str, Fault] | None:
        """Give the fault that this request meets, and its name."""
        if self.left == 0 or self.faults[0].route != route:
            return None
        if self.model is not None and model != self.model:
            return None
        if self.prompt_contains is not None and not (isinstance(prompt, str) and self.prompt_contains in prompt):
            return None
        if self.rate < 1 and self.random.random() >= self.rate:
            return None
        if self.left is not None:
            self.left -= 1
        chosen = self.random.randrange(len(self.faults)) if len(self.faults) > 1 else 0
        return self.names[chosen], self.faults[chosen]


class Script:
    """Rules in the order in which they came; a request meets the first that strikes. Safe between threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._rules: list[Rule] = []

    def add(self, rules: list[Rule]) -> None:
        """Append rules."""
        with self._lock:
            self._rules.extend(rules)

    def take(self, route: Route, model: object = None, prompt: object = None) -> tuple[str, Fault] | None:
        """Give the fault that this request meets, and its name; None where it meets none."""
        with self._lock:
            for rule in self._rules:
                if struck := rule.strikes(route, model, prompt):
                    self._rules = [rule for rule in self._rules if rule.left != 0]
                    return struck
        return None

    def waiting(self) -> list[dict[str, Any]]:
        """List the rules that still wait, without the fragments of prompts that they look for."""
        with self._lock:
            return [{"faults": list(rule.names), "left": rule.left, "rate": rule.rate} for rule in self._rules]


def read_rule(document: object) -> Rule:
    """Read a rule as the control route takes it (shown in the package's docstring). Raises `ScriptError`."""
    if not isinstance(document, Mapping):
        raise ScriptError("a rule is a JSON object")
    if unknown := set(document) - _RULE_FIELDS - _FAULT_FIELDS:
        raise ScriptError(f"unknown fields: {', '.join(sorted(map(str, unknown)))}")
    names = _names(document)
    changes = {name: document[name] for name in _FAULT_FIELDS & set(document)}
    match = document.get("match", {})
    if not isinstance(match, Mapping) or set(match) - _MATCH_FIELDS or not _all_text(match.values()):
        raise ScriptError(f"match is an object of texts: {', '.join(sorted(_MATCH_FIELDS))}")
    seed = document.get("seed", 0)
    if not isinstance(seed, int):
        raise ScriptError("seed is an integer")
    faults = tuple(_changed(CATALOGUE[name], changes) for name in names)
    if len({fault.route for fault in faults}) > 1:
        raise ScriptError("the faults of one rule strike the same route")
    return Rule(
        names,
        faults,
        prompt_contains=match.get("prompt_contains"),
        model=match.get("model"),
        left=_times(document),
        rate=_rate(document),
        random=Random(seed),
    )


def _all_text(values: Iterable[object]) -> bool:
    return all(isinstance(value, str) for value in values)


def _names(document: Mapping[str, Any]) -> tuple[str, ...]:
    names = document.get("faults", [document.get("fault")])
    if not isinstance(names, list) or not names or not _all_text(names):
        raise ScriptError('a rule has a "fault", a name, or "faults", a list of names')
    for name in names:
        if name not in CATALOGUE:
            raise ScriptError(f"no fault is called {name!r}; there are {', '.join(CATALOGUE)}")
    return tuple(names)


def _times(document: Mapping[str, Any]) -> int | None:
    times = document.get("times", "always" if "rate" in document else 1)
    if times == "always":
        return None
    if not isinstance(times, int) or isinstance(times, bool) or times < 1:
        raise ScriptError('times is a positive integer or "always"')
    return times


def _rate(document: Mapping[str, Any]) -> float:
    rate = document.get("rate", 1)
    if not isinstance(rate, int | float) or not 0 <= rate <= 1:
        raise ScriptError("rate is a number from 0 to 1")
    return float(rate)


def _changed(fault: Fault, changes: Mapping[str, Any]) -> Fault:
    for name, value in changes.items():
        if name in _NUMBERS and not (isinstance(value, int | float) and value >= 0):
            raise ScriptError(f"{name} is a number of seconds")
        if name in _COUNTS and not (isinstance(value, int) and value >= 0):
            raise ScriptError(f"{name} is a positive integer")
    if not isinstance(changes.get("bills", False), bool):
        raise ScriptError("bills is true or false")
    if not isinstance(headers := changes.get("headers", {}), Mapping) or not _all_text(
        value for value in headers.values() if value is not None
    ):
        raise ScriptError("headers is an object of texts and nulls")
    if not _all_text([changes.get("url", ""), changes.get("retry_after_form", "")]):
        raise ScriptError("url and retry_after_form are texts")
    try:
        route = Route(changes.get("route", fault.route))
        delivery = Delivery(changes.get("delivery", fault.delivery))
    except ValueError as error:
        raise ScriptError(str(error)) from error
    fault = replace(fault, **{**changes, "route": route, "delivery": delivery})
    if fault.download:
        passed_on = {name: changes[name] for name in ("pause", "size") if name in changes}
        fault = replace(fault, download=replace(fault.download, **passed_on))
    return fault
