"""A stand-in for OpenAI's Images API: a real HTTP server that refuses, bills and fails as OpenAI does.

In process, on a free port::

    with StandIn() as stand_in:
        client = OpenAI(base_url=stand_in.base_url, api_key=stand_in.api_key)
        stand_in.script("rate_limit_exceeded", "closed_after_billing")
        ...
        assert stand_in.ledger()["billed"] == 1

Or as a process: `python -m local.openai_stand_in --port 8100`.

The API: `POST /v1/images/generations`, `GET /v1/models`, `GET /v1/models/{id}`, and `GET /pictures/<id>.png`, where
answers by URL point. It does not stream, and draws neither GIF nor SVG.

The control routes, which need no key; what makes no sense gets a 400 `{"error": text}`:

`GET /_stand_in/ledger`
    `{"requests": 3, "billed": 2, "downloads": 0, "downloads_with_authorization": 0,
    "by_prompt": {"<16 hex digits of its SHA-256>": {"requests": 3, "billed": 2}},
    "recent": [{"request_id", "model", "prompt": "<the same digits>", "billed": true, "fault": name or null,
    "status": 200 or null}, … the last 100], "last_picture_sha256": hex or null}`.
    `billed` counts pictures, at the moment at which they are complete: after the latency, before the answer is sent.

`POST /_stand_in/faults`
    A rule, or a list of rules, each `{"fault": name}` with, as wanted: `"times": 2` (1 by default) or `"always"`;
    `"match": {"prompt_contains": text, "model": name}`; `"rate": 0.05, "seed": 7` for a share of the requests, the
    same each time; `"faults": [names]` for one of them at random; and the fault's own `delay`, `status`, `body`,
    `headers`, `bills`, `retry_after` (seconds), `retry_after_form`, `pause` (seconds), `size` (bytes), `url`,
    `downloads` (how many are struck), `route`, `delivery`. Rules wait in line, and a request that OpenAI would accept
    meets the first that fits.

`GET /_stand_in/faults`
    `{"waiting": [rules], "catalogue": {name: {"description": text, "bills": bool}}}`; the catalogue is in `faults`.

`POST /_stand_in/settings`
    Any of `{"latency": seconds, "picture_bytes": n, "dall_e_3": bool, "today": "YYYY-MM-DD",
    "accepted_keys": [keys], "shutdown_dates": {model: "YYYY-MM-DD" or null}}`.

`DELETE /_stand_in`
    Forgets the ledger and the faults, and takes back every setting.
"""

from .script import ScriptError
from .stand_in import StandIn

__all__ = ["ScriptError", "StandIn"]
