"""The stand-in as an object: its settings, its ledger, its faults, and the server's life."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any, Self

from .ledger import Ledger
from .models import MODELS, Model
from .script import Script, read_rule
from .server import Server

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from .fault import Fault

KEPT_PICTURES = 128


@dataclass
class Offer:
    """A picture that waits behind a URL, and the fault that strikes whoever fetches it, `left` times (None: always)."""

    picture: bytes
    fault: Fault | None
    left: int | None


@dataclass(kw_only=True, eq=False)
class StandIn:
    """A stand-in for OpenAI's Images API; `with StandIn() as stand_in:` runs it on a free port.

    api_key: the key that is accepted, until `accept_keys` says otherwise.
    latency: seconds that a picture takes; it is billed at their end.
    picture_bytes: PNGs are padded to about so many bytes; OpenAI's have 1.3 to 2.3 million.
    dall_e_3: serve dall-e-3, as hosts do that speak OpenAI's older dialect.
    shutdown_dates: other dates of the models' shutdowns, by model; None for no date.
    today: the day by which models are retired; None for the true one, in UTC.

    `latency`, `picture_bytes`, `dall_e_3`, `shutdown_dates` and `today` may be set while it runs.
    """

    port: int = 0
    host: str = "127.0.0.1"
    api_key: str = field(default="sk-stand-in", repr=False)
    latency: float = 0
    picture_bytes: int = 0
    dall_e_3: bool = False
    shutdown_dates: Mapping[str, date | None] = field(default_factory=dict)
    today: date | None = None

    def __post_init__(self) -> None:
        self._at_first = {name: getattr(self, name) for name in SETTINGS}
        self._stopping = Event()
        self._lock = Lock()
        self._offers: OrderedDict[str, Offer] = OrderedDict()
        self._server: Server | None = None
        self.current_ledger = Ledger()
        self.faults = Script()
        self.accepted_keys: frozenset[str] = frozenset({self.api_key})

    def __enter__(self) -> Self:
        """Listen, on a free port where `port` is 0."""
        self._stopping.clear()
        self._server = Server((self.host, self.port), self)
        self.port = self._server.server_address[1]
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, and cut the connections that are still open."""
        if self._server is None:
            return
        self._stopping.set()
        self._server.shutdown()
        self._server.close_connections()
        self._server.server_close()
        self._server = None

    @property
    def url(self) -> str:
        """The server's address, such as `http://127.0.0.1:8080`."""
        return f"http://{self.host}:{self.port}"

    @property
    def base_url(self) -> str:
        """The address that an OpenAI client takes as its base URL."""
        return f"{self.url}/v1"

    def ledger(self) -> dict[str, Any]:
        """Give the ledger, as `GET /_stand_in/ledger` does."""
        return self.current_ledger.as_json()

    def script(self, *faults: str | Mapping[str, object], **options: object) -> None:
        """Queue faults, each a name or a rule, as `POST /_stand_in/faults` does; `options` are added to every rule.

        `stand_in.script("rate_limit_exceeded", times=2, match={"model": "gpt-image-2"})`. Raises `ScriptError`.
        """
        given = [{"fault": fault} if isinstance(fault, str) else fault for fault in faults] or [{}]
        self.faults.add([read_rule({**rule, **options}) for rule in given])

    def accept_keys(self, keys: Collection[str]) -> None:
        """Accept exactly these API keys."""
        self.accepted_keys = frozenset(keys)

    def reset(self) -> None:
        """Forget ledger, faults and keys, and take back every setting, as `DELETE /_stand_in` does."""
        for name, value in self._at_first.items():
            setattr(self, name, value)
        self.current_ledger = Ledger()
        self.faults = Script()
        self.accept_keys({self.api_key})
        with self._lock:
            self._offers.clear()

    def models(self) -> dict[str, Model]:
        """Give every model by name, the retired ones too, with the dates that hold here."""
        models = dict(MODELS)
        if self.dall_e_3:
            models["dall-e-3"] = replace(models["dall-e-3"], shutdown=None)
        for name, shutdown in self.shutdown_dates.items():
            models[name] = replace(models[name], shutdown=shutdown)
        return models

    def current_date(self) -> date:
        """Give the day by which models are retired."""
        return self.today or datetime.now(UTC).date()

    def sleep(self, seconds: float) -> None:
        """Wait. Raises ConnectionAbortedError when the server stops meanwhile, which ends the request."""
        if seconds and self._stopping.wait(seconds):
            raise ConnectionAbortedError

    def offer(self, picture_id: str, picture: bytes, fault: Fault) -> None:
        """Put a picture behind a URL. The last hundred or so are kept."""
        with self._lock:
            self._offers[picture_id] = Offer(picture, fault.download, fault.downloads)
            if len(self._offers) > KEPT_PICTURES:
                self._offers.popitem(last=False)

    def fetch(self, picture_id: str) -> tuple[bytes, Fault | None] | None:
        """Give the picture behind a URL and the fault that strikes this download; None for an unknown picture."""
        with self._lock:
            offer = self._offers.get(picture_id)
            if offer is None:
                return None
            if offer.left is None:
                return offer.picture, offer.fault
            offer.left -= 1
            return offer.picture, offer.fault if offer.left >= 0 else None


SETTINGS = ("latency", "picture_bytes", "dall_e_3", "shutdown_dates", "today")
