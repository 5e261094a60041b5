"""The routes of the Images API: generations, models, and the pictures behind URLs."""

from __future__ import annotations

import base64
import json
import secrets
import time
from typing import TYPE_CHECKING, Any

from .delivery import Reply, fault_reply, fill, json_reply
from .faults import NO_FAULT, PICTURE_URL, Fault, Route
from .parameters import Generation, RefusalError, accept
from .pictures import content_type, draw

if TYPE_CHECKING:
    from werkzeug.wrappers import Request

    from .state import State

# Of a shorter key, the three first and four last characters would be too much.
SHORTEST_MASKED_KEY = 20


def generate(state: State, request: Request, request_id: str) -> Reply:
    """`POST /v1/images/generations`. A request that OpenAI would refuse is refused; only a good one meets a fault."""
    # A request that is under way at a reset belongs to the ledger of its arrival.
    ledger = state.current_ledger
    document = _json_object(request)
    model, prompt = (document or {}).get("model"), (document or {}).get("prompt")
    entry = ledger.request(request_id, model, prompt)
    try:
        check_key(state, request)
        generation = _accept(state, request, document)
    except RefusalError as refusal:
        entry.status = refusal.status
        raise
    entry.fault, fault = state.take_fault(Route.GENERATIONS, model, prompt) or (None, NO_FAULT)
    state.pause(fault.delay)
    picture = b""
    if fault.bills:
        state.pause(state.latency)
        picture = picture_of(state, generation, fault)
        ledger.bill(entry, picture, generation.model.microdollars(generation.input_tokens, generation.output_tokens))
    root = request.host_url.removesuffix("/")
    if fault.status is not None or not fault.bills:
        reply = fault_reply(fault, {"root": root, "model": str(model)})
    else:
        reply = json_reply(200, success(generation, _data(state, generation, picture, fault, root)))
        reply.fault = fault
    entry.status = reply.status_code if fault.delivery.has_status else None
    return reply


def retrieve_model(state: State, request: Request, _request_id: str, name: str) -> Reply:
    """`GET /v1/models/{name}`."""
    check_key(state, request)
    if struck := state.take_fault(Route.MODELS, name):
        state.pause(struck[1].delay)
        return fault_reply(struck[1], {})
    model = state.models().get(name)
    if model is None or not model.is_live(state.current_date()):
        message = f"The model '{name}' does not exist"
        raise RefusalError(message, status=404, param="model", code="model_not_found")
    shutdown = model.shutdown.isoformat() if model.shutdown else None
    return json_reply(
        200, {"id": name, "object": "model", "created": 1, "owned_by": "system", "shutdown_date": shutdown}
    )


def retrieve_picture(state: State, request: Request, _request_id: str, name: str) -> Reply:
    """`GET /pictures/{name}`: the picture behind a URL. It needs no key."""
    state.current_ledger.download(with_authorization="Authorization" in request.headers)
    picture_id = name.removeprefix("moved/").removesuffix(".png")
    found = state.fetch(picture_id)
    if found is None:
        return Reply("No such picture.", 404, mimetype="text/plain")
    picture, fault = found
    reply = Reply(picture, 200, content_type=content_type(picture))
    if name.startswith("moved/"):
        return reply
    if fault is None:
        fault = (state.take_fault(Route.PICTURES) or ("", NO_FAULT))[1]
    state.pause(fault.delay)
    if fault.status is not None:
        root = request.host_url.removesuffix("/")
        return fault_reply(fault, {"root": root, "id": picture_id, "url": f"{root}/pictures/{name}"})
    reply.fault = fault
    return reply


ROUTES = (
    ("POST", "/v1/images/generations", generate),
    ("GET", "/v1/models/<name>", retrieve_model),
    ("GET", "/pictures/<path:name>", retrieve_picture),
)


def check_key(state: State, request: Request) -> None:
    """Raise RefusalError for a missing or wrong key."""
    scheme, _, key = request.headers.get("Authorization", "").strip().partition(" ")
    key = key.strip()
    if scheme.lower() != "bearer" or not key:
        message = (
            "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer "
            "auth (i.e. Authorization: Bearer YOUR_KEY)."
        )
        raise RefusalError(message, status=401)
    if key not in state.accepted_keys:
        masked = "*" * len(key) if len(key) < SHORTEST_MASKED_KEY else f"{key[:3]}{'*' * (len(key) - 7)}{key[-4:]}"
        message = (
            f"Incorrect API key provided: {masked}. You can find your API key at "
            "https://platform.openai.com/account/api-keys."
        )
        raise RefusalError(message, status=401, code="invalid_api_key")


def _json_object(request: Request) -> dict[str, Any] | None:
    try:
        document = json.loads(request.get_data())
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _accept(state: State, request: Request, document: dict[str, Any] | None) -> Generation:
    if request.mimetype != "application/json":
        message = (
            f"Unsupported content type: '{request.content_type}'. This API method only accepts 'application/json'."
        )
        raise RefusalError(message, code="unsupported_content_type")
    if document is None:
        raise RefusalError("We could not parse the JSON body of your request. The OpenAI API expects a JSON payload.")
    return accept(document, state.models(), state.current_date())


def picture_of(state: State, generation: Generation, fault: Fault) -> bytes:
    """Return the picture that a request gets."""
    if fault.picture is not None:
        return fault.picture
    picture = draw(
        generation.seed,
        (generation.width, generation.height),
        fault.picture_format or generation.output_format,
        generation.compression,
        transparent=generation.background == "transparent",
        at_least=state.picture_bytes,
    )
    return picture if state.sign is None or generation.model.is_dall_e else state.sign(picture)


def _data(state: State, generation: Generation, picture: bytes, fault: Fault, root: str) -> list[dict[str, str]]:
    revised = {"revised_prompt": "A disc in the sky."} if generation.model.is_dall_e else {}
    encoded = base64.b64encode(picture).decode()
    if fault.entry is not None:
        return [{**revised, **{name: fill(value, {"base64": encoded}) for name, value in fault.entry.items()}}]
    if fault.url is None and not generation.by_url:
        return [{**revised, "b64_json": encoded}]
    picture_id = secrets.token_hex(12)
    state.offer(picture_id, picture, fault)
    return [{**revised, "url": fill(fault.url or PICTURE_URL, {"root": root, "id": picture_id})}]


def success(generation: Generation, data: list[dict[str, str]]) -> dict[str, Any]:
    """Return the document of a good response."""
    response: dict[str, Any] = {"created": int(time.time()), "data": data}
    if generation.model.is_dall_e:
        return response
    tokens_in, tokens_out = generation.input_tokens, generation.output_tokens
    return response | {
        "background": generation.background,
        "output_format": generation.output_format,
        "quality": generation.quality,
        "size": f"{generation.width}x{generation.height}",
        "usage": {
            "input_tokens": tokens_in,
            "input_tokens_details": {"image_tokens": 0, "text_tokens": tokens_in},
            "output_tokens": tokens_out,
            "output_tokens_details": {"image_tokens": tokens_out, "text_tokens": 0},
            "total_tokens": tokens_in + tokens_out,
        },
    }
