"""All that the stand-in knows: its settings, its ledger, its script, and the pictures behind its URLs."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import partial
from hashlib import sha256
from threading import Lock
from typing import TYPE_CHECKING, Any

from .batches import Batches
from .batches_api import execute
from .faults import CATALOGUE, Fault, names_in
from .parameters import MODELS, Model

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def prompt_key(prompt: str) -> str:
    """Return the name of a prompt in the ledger: the first 16 hexadecimal digits of the SHA-256 of its UTF-8."""
    return sha256(prompt.encode("utf-8", "surrogatepass")).hexdigest()[:16]


@dataclass
class Entry:
    """One request for a picture. prompt: its key. microdollars: the bill. status: of the response, when it is ready."""

    request_id: str
    prompt: str
    microdollars: int = 0
    status: int | None = None


@dataclass
class Rule:
    """A fault for the requests that match, `left` times (None: without end)."""

    fault: Fault
    left: int | None
    prompt_contains: str


@dataclass(kw_only=True, eq=False)
class State:
    """Settings and memory of a stand-in; `StandIn` describes the settings."""

    api_key: str = field(default="sk-stand-in", repr=False)
    latency: float = 0
    picture_bytes: int = 0
    dall_e_3: bool = False
    sleep: Callable[[float], object] = time.sleep
    batch_seconds: float = 0
    sign: Callable[[bytes], bytes] | None = None
    clock: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        self._defaults = dict(vars(self))
        self._lock = Lock()
        self.reset()

    def reset(self) -> None:
        """Restore every setting; forget the ledger, the script, the pictures and the batches."""
        vars(self).update(self._defaults)
        self.entries: list[Entry] = []
        self.downloads: list[str] = []
        self.forget_script()
        self.pictures: dict[str, tuple[bytes, Fault]] = {}
        self.batches = Batches(lambda: self.clock(), partial(execute, self), lambda: self.batch_seconds)  # noqa: PLW0108  # the clock can be replaced

    def models(self) -> dict[str, Model]:
        """Return every model by name, the retired ones too."""
        return {**MODELS, "dall-e-3": replace(MODELS["dall-e-3"], shutdown=None)} if self.dall_e_3 else dict(MODELS)

    def current_date(self) -> date:
        """Return the date by which models are retired."""
        return datetime.fromtimestamp(self.clock(), UTC).date()

    def pause(self, seconds: float) -> None:
        """Wait."""
        if seconds:
            self.sleep(seconds)

    def entry(self, request_id: str, document: Mapping[str, Any]) -> Entry:
        """Count a request as it arrives, a bad one too."""
        entry = Entry(request_id, prompt_key(str(document.get("prompt"))))
        self.entries.append(entry)
        return entry

    def ledger(self) -> dict[str, Any]:
        """Return the requests and bills since the last reset.

        `requests`; `billed`: pictures, counted when they are complete, before the response; `usd`; `downloads`;
        `by_prompt`: requests and billed by `prompt_key`; `recent`: id and status of each request. It holds no prompt.
        """
        entries = list(self.entries)
        billed = Counter(entry.prompt for entry in entries if entry.microdollars)
        return {
            "requests": len(entries),
            "billed": billed.total(),
            "usd": sum(entry.microdollars for entry in entries) / 1_000_000,
            "downloads": len(self.downloads),
            "by_prompt": {
                prompt: {"requests": requests, "billed": billed[prompt]}
                for prompt, requests in Counter(entry.prompt for entry in entries).items()
            },
            "recent": [{"request_id": entry.request_id, "status": entry.status} for entry in entries],
        }

    def script(self, *names: str, times: int | None = 1, prompt_contains: str = "", delay: float | None = None) -> None:
        """Queue faults. times: for each of them; None: without end. delay: seconds, in place of the fault's own.

        A request that OpenAI would accept meets the first rule that matches. Raises KeyError for an unknown fault.
        """
        for name in names:
            fault = CATALOGUE[name] if delay is None else replace(CATALOGUE[name], delay=delay)
            self._rules.append(Rule(fault, times, prompt_contains))

    def forget_script(self) -> None:
        """Forget the queued faults."""
        self._rules: list[Rule] = []

    def take_fault(self, prompt: str) -> Fault | None:
        """Return the fault that a request meets: from the script, else from a `[name]` in the prompt."""
        with self._lock:
            for rule in self._rules:
                if rule.left != 0 and rule.prompt_contains in prompt:
                    rule.left = rule.left and rule.left - 1
                    return rule.fault
        return next((CATALOGUE[name] for name in names_in(prompt) if name in CATALOGUE), None)
