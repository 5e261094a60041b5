"""The events of ``events/``, which also feed `sam local invoke`."""

import json
from pathlib import Path
from typing import Any

EVENTS = Path(__file__).parents[1] / "events"


def read_event(name: str) -> dict[str, Any]:
    """Return ``events/<name>.json``."""
    event: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text("utf-8"))
    return event


def event_for(prompt: str, **fields: object) -> dict[str, Any]:
    """Return a small event with this prompt."""
    return {"client_id": 1, "config": {"credentials_id": "credencial-openai", "prompt": prompt}, **fields}
