"""The routes of the Images API: generations, models, and the pictures behind URLs."""

from __future__ import annotations

import base64
import secrets
import time
from typing import TYPE_CHECKING, Any

from .delivery import Reply, fault_reply, json_object, json_reply
from .faults import NO_FAULT, PICTURE_URL
from .parameters import Generation, RefusalError, accept
from .pictures import content_type, draw

if TYPE_CHECKING:
    from werkzeug.wrappers import Request

    from .state import State


def generate(state: State, request: Request, request_id: str) -> Reply:
    """`POST /v1/images/generations`. A request that OpenAI would refuse is refused; only a good one meets a fault."""
    document = json_object(request)
    entry = state.entry(request_id, document)
    try:
        check_key(state, request)
        generation = accept(document, state.models(), state.current_date())
    except RefusalError as refusal:
        entry.status = refusal.status
        raise
    fault = state.take_fault(document["prompt"]) or NO_FAULT
    state.pause(fault.delay)
    picture = b""
    if fault.bills:
        state.pause(state.latency)
        picture = picture_of(state, generation)
        entry.microdollars = generation.microdollars
    if fault.status is not None or not fault.bills:
        reply = fault_reply(fault)
    else:
        url = fault.url or (PICTURE_URL if generation.by_url else None)
        image = {"b64_json": base64.b64encode(picture).decode()}
        if url:
            name = f"{secrets.token_hex(12)}.png"
            state.pictures[name] = picture, fault.download or NO_FAULT
            image = {"url": url.format(root=request.host_url.removesuffix("/"), name=name)}
        reply = json_reply(200, success(generation, image), fault)
    entry.status = reply.status_code
    return reply


def retrieve_model(state: State, request: Request, _request_id: str, name: str) -> Reply:
    """`GET /v1/models/{name}`."""
    check_key(state, request)
    model = state.models().get(name)
    if model is None or not model.is_live(state.current_date()):
        message = f"The model '{name}' does not exist"
        raise RefusalError(message, status=404, param="model", code="model_not_found")
    shutdown = model.shutdown.isoformat() if model.shutdown else None
    described = {"id": name, "object": "model", "created": 1, "owned_by": "system"}
    return json_reply(200, {**described, "shutdown_date": shutdown})


def retrieve_picture(state: State, _request: Request, _request_id: str, name: str) -> Reply:
    """`GET /pictures/{name}`: the picture behind a URL. It needs no key."""
    state.downloads.append(name)
    if name not in state.pictures:
        return Reply("No such picture.", 404)
    picture, fault = state.pictures[name]
    if fault.status is not None:
        return fault_reply(fault)
    reply = Reply(picture, 200, content_type=content_type(picture))
    reply.fault = fault
    return reply


ROUTES = (
    ("POST", "/v1/images/generations", generate),
    ("GET", "/v1/models/<name>", retrieve_model),
    ("GET", "/pictures/<name>", retrieve_picture),
)


def check_key(state: State, request: Request) -> None:
    """Raise RefusalError for a missing or wrong key."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme != "Bearer" or key != state.api_key:
        message = "Incorrect API key provided. You can find your API key at https://platform.openai.com."
        raise RefusalError(message, status=401, code="invalid_api_key")


def picture_of(state: State, generation: Generation) -> bytes:
    """Return the picture that a request gets."""
    picture = draw(
        generation.seed,
        (generation.width, generation.height),
        generation.output_format,
        generation.compression,
        transparent=generation.background == "transparent",
        at_least=state.picture_bytes,
    )
    return picture if state.sign is None or generation.model.is_dall_e else state.sign(picture)


def success(generation: Generation, image: dict[str, str]) -> dict[str, Any]:
    """Return the document of a good response."""
    if generation.model.is_dall_e:
        return {"created": int(time.time()), "data": [{"revised_prompt": "A disc in the sky.", **image}]}
    tokens_in, tokens_out = generation.input_tokens, generation.output_tokens
    return {
        "created": int(time.time()),
        "data": [image],
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
