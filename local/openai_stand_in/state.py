"""All that the stand-in knows: its settings, its ledger, its script, and the pictures behind its URLs."""

from __future__ import annotations

import re
import time
from collections import OrderedDict, deque
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime
from functools import partial
from hashlib import sha256
from threading import Event, Lock
from typing import TYPE_CHECKING, Any

from .batches import Batches
from .batches_api import execute
from .faults import CATALOGUE, Fault, Route
from .parameters import MODELS, Model

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

RECENT_ENTRIES = 100
KEPT_PICTURES = 128


def prompt_key(prompt: str) -> str:
    """Return the name of a prompt in the ledger: the first 16 hexadecimal digits of the SHA-256 of its UTF-8."""
    return sha256(prompt.encode("utf-8", "surrogatepass")).hexdigest()[:16]


@dataclass
class Entry:
    """One request for a picture. prompt: its key. status: None as long as no response was sent."""

    request_id: str
    model: str | None
    prompt: str | None
    billed: bool = False
    fault: str | None = None
    status: int | None = None


class Ledger:
    """Requests, bills and downloads. It may be used by several threads at once."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._requests = self._billed = self._microdollars = 0
        self._downloads = self._downloads_with_authorization = 0
        self._by_prompt: dict[str, dict[str, int]] = {}
        self._recent: deque[Entry] = deque(maxlen=RECENT_ENTRIES)
        self._last_picture_sha256: str | None = None

    def request(self, request_id: str, model: object, prompt: object) -> Entry:
        """Count a request as it arrives, a bad one too."""
        entry = Entry(
            request_id,
            model if isinstance(model, str) else None,
            prompt_key(prompt) if isinstance(prompt, str) else None,
        )
        with self._lock:
            self._requests += 1
            self._recent.append(entry)
            if entry.prompt:
                self._by_prompt.setdefault(entry.prompt, {"requests": 0, "billed": 0})["requests"] += 1
        return entry

    def bill(self, entry: Entry, picture: bytes, microdollars: int) -> None:
        """Bill a picture: its generation is complete."""
        with self._lock:
            entry.billed = True
            self._billed += 1
            self._microdollars += microdollars
            self._last_picture_sha256 = sha256(picture).hexdigest()
            if entry.prompt:
                self._by_prompt[entry.prompt]["billed"] += 1

    def download(self, *, with_authorization: bool) -> None:
        """Count a download. with_authorization: it carried an API key, which a download must not."""
        with self._lock:
            self._downloads += 1
            self._downloads_with_authorization += with_authorization

    def to_dict(self) -> dict[str, Any]:
        """Return the ledger as `StandIn.ledger` describes it."""
        with self._lock:
            return {
                "requests": self._requests,
                "billed": self._billed,
                "usd": self._microdollars / 1_000_000,
                "downloads": self._downloads,
                "downloads_with_authorization": self._downloads_with_authorization,
                "by_prompt": {prompt: dict(counts) for prompt, counts in self._by_prompt.items()},
                "recent": [asdict(entry) for entry in self._recent],
                "last_picture_sha256": self._last_picture_sha256,
            }


@dataclass
class Rule:
    """A fault for the requests that match, `left` times (None: without end)."""

    name: str
    fault: Fault
    left: int | None
    model: str | None = None
    prompt_contains: str | None = None

    def matches(self, route: Route, model: object, prompt: object) -> bool:
        """Whether a request on that route meets the fault."""
        return (
            self.left != 0
            and self.fault.route == route
            and self.model in (None, model)
            and (self.prompt_contains is None or self.prompt_contains in str(prompt))
        )


@dataclass
class _Offer:
    picture: bytes
    fault: Fault | None
    left: int | None


@dataclass(kw_only=True, eq=False)
class State:
    """Settings and memory of a stand-in; `StandIn` describes the settings."""

    api_key: str = field(default="sk-stand-in", repr=False)
    latency: float = 0
    picture_bytes: int = 0
    dall_e_3: bool = False
    shutdown_dates: Mapping[str, date | None] = field(default_factory=dict)
    today: date | None = None
    sleep: Callable[[float], object] | None = None
    batch_seconds: float = 0
    sign: Callable[[bytes], bytes] | None = None
    clock: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        self.stopping = Event()
        self._lock = Lock()
        self._defaults = {name: getattr(self, name) for name in SETTINGS}
        self.reset()

    def reset(self) -> None:
        """Restore every setting; forget the ledger, the script, the keys and the pictures."""
        for name, value in self._defaults.items():
            setattr(self, name, value)
        self.current_ledger = Ledger()
        self.accepted_keys = frozenset({self.api_key})
        self.forget_script()
        self._offers: OrderedDict[str, _Offer] = OrderedDict()
        self.batches = Batches(lambda: self.clock(), partial(execute, self), lambda: self.batch_seconds)  # noqa: PLW0108  # the clock can be replaced

    def accept_keys(self, keys: Collection[str]) -> None:
        """Accept exactly these API keys."""
        self.accepted_keys = frozenset(keys)

    def models(self) -> dict[str, Model]:
        """Return every model by name, the retired ones too, with the shutdown dates that hold here."""
        models = dict(MODELS)
        dates = {**({"dall-e-3": None} if self.dall_e_3 else {}), **self.shutdown_dates}
        return models | {name: replace(models[name], shutdown=shutdown) for name, shutdown in dates.items()}

    def current_date(self) -> date:
        """Return the date by which models are retired."""
        return self.today or datetime.now(UTC).date()

    def pause(self, seconds: float) -> None:
        """Wait. Raises ConnectionAbortedError when the server stops meanwhile."""
        if seconds:
            (self.sleep or self.stopping.wait)(seconds)
            if self.stopping.is_set():
                raise ConnectionAbortedError

    def script(self, *faults: str | Mapping[str, Any], **options: Any) -> None:  # noqa: ANN401 - fields of Fault
        """Queue faults, each a name or a mapping `{"fault": name, …}`; the options belong to each of them.

        Options: `times` (default 1, or "always"), `match` (`{"model": name, "prompt_contains": text}`), and any field
        of `Fault`. A request that OpenAI would accept meets the first rule that matches. Raises KeyError for an
        unknown fault, TypeError for an unknown option.
        """
        for given in faults:
            rule = {"times": 1, "match": {}, **({"fault": given} if isinstance(given, str) else given), **options}
            name, times, match = rule.pop("fault"), rule.pop("times"), rule.pop("match")
            changed = _changed(CATALOGUE[name], rule)
            with self._lock:
                self._rules.append(Rule(name, changed, None if times == "always" else times, **match))

    def forget_script(self) -> None:
        """Forget the queued faults."""
        with self._lock:
            self._rules: list[Rule] = []

    def take_fault(self, route: Route, model: object = None, prompt: object = None) -> tuple[str, Fault] | None:
        """Return the fault that a request meets, with its name: from the script, else from a `[name]` in the prompt."""
        with self._lock:
            rule = next((rule for rule in self._rules if rule.matches(route, model, prompt)), None)
            if rule:
                rule.left = rule.left and rule.left - 1
                return rule.name, rule.fault
        for name in re.findall(r"\[(\w+)\]", prompt) if isinstance(prompt, str) else ():
            if name in CATALOGUE and CATALOGUE[name].route is route:
                return name, CATALOGUE[name]
        return None

    def offer(self, picture_id: str, picture: bytes, fault: Fault) -> None:
        """Put a picture behind a URL. The last hundred or so are kept."""
        with self._lock:
            self._offers[picture_id] = _Offer(picture, fault.download, fault.downloads)
            if len(self._offers) > KEPT_PICTURES:
                self._offers.popitem(last=False)

    def fetch(self, picture_id: str) -> tuple[bytes, Fault | None] | None:
        """Return the picture behind a URL and the fault of this download; None for an unknown picture."""
        with self._lock:
            offer = self._offers.get(picture_id)
            if offer is None:
                return None
            if offer.left is None:
                return offer.picture, offer.fault
            offer.left -= 1
            return offer.picture, offer.fault if offer.left >= 0 else None


SETTINGS = (
    "latency",
    "picture_bytes",
    "dall_e_3",
    "shutdown_dates",
    "today",
    "sleep",
    "batch_seconds",
    "sign",
    "clock",
)


def _changed(fault: Fault, changes: Mapping[str, Any]) -> Fault:
    """Return the fault with other fields; pause and size hold for its download too."""
    fault = replace(fault, **{**changes, "route": Route(changes.get("route", fault.route))})
    passed_on = {name: changes[name] for name in ("pause", "size") if name in changes}
    return replace(fault, download=replace(fault.download, **passed_on)) if fault.download else fault
