"""The control routes under `/_stand_in`, which the package's docstring describes."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any

from .delivery import Reply
from .faults import CATALOGUE
from .generations import json_reply
from .models import MODELS
from .script import ScriptError, read_rule

if TYPE_CHECKING:
    from .stand_in import StandIn


def control(stand_in: StandIn, method: str, path: str, body: bytes) -> Reply:
    """Answer a control request; one that makes no sense gets a 400 that says why."""
    try:
        document = json.loads(body) if body else None
        match method, path.rstrip("/"):
            case "GET", "/_stand_in/ledger":
                return json_reply(200, stand_in.ledger())
            case "GET", "/_stand_in/faults":
                catalogue = {
                    name: {"description": fault.description, "bills": fault.bills} for name, fault in CATALOGUE.items()
                }
                return json_reply(200, {"waiting": stand_in.faults.waiting(), "catalogue": catalogue})
            case "POST", "/_stand_in/faults":
                rules = document if isinstance(document, list) else [document]
                stand_in.faults.add([read_rule(rule) for rule in rules])
            case "POST", "/_stand_in/settings":
                _set(stand_in, document)
            case "DELETE", "/_stand_in":
                stand_in.reset()
            case _:
                return json_reply(404, {"error": f"There is no {method} {path}."})
    except ValueError as error:
        return json_reply(400, {"error": str(error)})
    return Reply(status=204)


def _set(stand_in: StandIn, document: object) -> None:
    if not isinstance(document, dict):
        raise ScriptError("the settings are a JSON object")
    for name, value in document.items():
        match name, value:
            case "latency", int() | float() if value >= 0:
                stand_in.latency = value
            case "picture_bytes", int() if value >= 0:
                stand_in.picture_bytes = value
            case "dall_e_3", bool():
                stand_in.dall_e_3 = value
            case "today", str():
                stand_in.today = date.fromisoformat(value)
            case "accepted_keys", list() if all(isinstance(key, str) for key in value):
                stand_in.accept_keys(value)
            case "shutdown_dates", dict():
                stand_in.shutdown_dates = {model: shutdown_date(model, day) for model, day in value.items()}
            case _:
                raise ScriptError(f"no setting {name!r} takes {value!r}")


def shutdown_date(model: str, day: Any) -> date | None:  # noqa: ANN401 - JSON
    """Read a date of shutdown, None for none. Raises ValueError for an unknown model or what is no date."""
    if model not in MODELS:
        raise ScriptError(f"no model is called {model!r}")
    return None if day is None else date.fromisoformat(day)
