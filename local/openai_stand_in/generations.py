"""One request for pictures, from its body to its answer: `POST /v1/images/generations`."""

from __future__ import annotations

import base64
import json
import secrets
import time
from dataclasses import replace
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

from .checks import Refusal
from .delivery import Reply
from .fault import Fault, Route
from .faults import PICTURE_URL
from .pictures import picture, seed_of
from .protocol import Generation, accept, check_content_type, check_key, parse_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from email.message import Message

    from .stand_in import StandIn

NO_FAULT = Fault(description="none", bills=True)


def json_reply(status: int, document: object) -> Reply:
    """Give a reply whose body is JSON."""
    body = json.dumps(document, ensure_ascii=False).encode("utf-8", "replace")
    return Reply(status=status, headers={"Content-Type": "application/json"}, body=body)


def refused(refusal: Refusal) -> Reply:
    """Give the reply of a request that is refused."""
    return json_reply(refusal.status, refusal.body)


def fault_reply(fault: Fault, address: Mapping[str, str]) -> Reply:
    """Give the reply of a fault that has a status. `address` fills the places in its headers."""
    status = fault.status or 200
    if isinstance(fault.body, str):
        reply = Reply(status=status, headers={"Content-Type": "text/html"}, body=fault.body.encode())
    else:
        reply = json_reply(status, fault.body)
    headers = {name: value and _filled(value, address) for name, value in fault.headers.items()}
    return replace(reply, headers={**reply.headers, **headers, **_retry_after(fault)})


def generate(stand_in: StandIn, request_id: str, headers: Message, body: bytes, root: str) -> Reply:
    """Answer a request as OpenAI does, or as the script says. `root` is the address that the caller used.

    A request that OpenAI would refuse is refused; only a good one meets a fault. The ledger is the one of the moment of
    arrival: a request that is still being served when everything is reset is not counted afterwards.
    """
    ledger = stand_in.current_ledger
    document: dict[str, Any] = {}
    unreadable: Refusal | None = None
    try:
        document = parse_json(body)
    except Refusal as refusal:
        unreadable = refusal
    entry = ledger.request(request_id, document.get("model"), document.get("prompt"))
    try:
        check_key(headers.get("Authorization"), stand_in.accepted_keys)
        check_content_type(headers.get("Content-Type"))
        if unreadable:
            raise unreadable
        generation = accept(document, stand_in.models(), stand_in.current_date())
    except Refusal as refusal:
        ledger.answer(entry, refusal.status)
        return refused(refusal)
    entry.fault, fault = stand_in.faults.take(Route.GENERATIONS, generation.model.name, document["prompt"]) or (
        None,
        NO_FAULT,
    )
    stand_in.sleep(fault.delay)
    pictures = []
    if fault.bills:
        stand_in.sleep(stand_in.latency)
        pictures = [_picture(generation, index, fault, stand_in.picture_bytes) for index in range(generation.pictures)]
        ledger.bill(entry, pictures[0], len(pictures))
    if fault.status is not None or not fault.bills:
        reply = fault_reply(fault, {"root": root})
    else:
        entries = [_entry(stand_in, generation, image, fault, root) for image in pictures]
        reply = json_reply(200, _success(generation, entries))
    reply = replace(reply, delivery=fault.delivery, pause=fault.pause, size=fault.size)
    ledger.answer(entry, reply.status if reply.delivery.answers else None)
    return reply


def _picture(generation: Generation, index: int, fault: Fault, at_least: int) -> bytes:
    if fault.picture is not None:
        return fault.picture
    return picture(
        seed_of(generation.seed, index),
        generation.width,
        generation.height,
        fault.picture_format or generation.output_format,
        generation.compression,
        transparent=generation.background == "transparent",
        at_least=at_least,
    )


def _entry(stand_in: StandIn, generation: Generation, image: bytes, fault: Fault, root: str) -> dict[str, str]:
    revised = {"revised_prompt": "A soft landscape with layered hills."} if generation.model.dall_e else {}
    encoded = base64.b64encode(image).decode()
    if fault.entry is not None:
        return {**revised, **{name: _filled(value, {"base64": encoded}) for name, value in fault.entry.items()}}
    if fault.url is None and not generation.by_url:
        return {**revised, "b64_json": encoded}
    picture_id = secrets.token_hex(12)
    stand_in.offer(picture_id, image, fault)
    return {**revised, "url": _filled(fault.url or PICTURE_URL, {"root": root, "id": picture_id})}


def _success(generation: Generation, entries: list[dict[str, str]]) -> dict[str, Any]:
    answer: dict[str, Any] = {"created": int(time.time()), "data": entries}
    if generation.model.dall_e:
        return answer
    output = generation.pictures * generation.model.output_tokens(
        generation.width, generation.height, generation.quality
    )
    answer |= {
        "background": generation.background,
        "output_format": generation.output_format,
        "quality": generation.quality,
        "size": generation.size,
        "usage": {
            "input_tokens": generation.prompt_tokens,
            "input_tokens_details": {"image_tokens": 0, "text_tokens": generation.prompt_tokens},
            "output_tokens": output,
            "output_tokens_details": {"image_tokens": output, "text_tokens": 0},
            "total_tokens": generation.prompt_tokens + output,
        },
    }
    if generation.safety_identifier:
        answer["safety_identifier"] = generation.safety_identifier
    return answer


def _filled(text: str, places: Mapping[str, str]) -> str:
    for name, value in places.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def _retry_after(fault: Fault) -> dict[str, str]:
    if fault.retry_after is None:
        return {}
    match fault.retry_after_form:
        case "milliseconds":
            return {"retry-after-ms": f"{fault.retry_after * 1000:.0f}"}
        case "date":
            return {"Retry-After": formatdate(time.time() + fault.retry_after, usegmt=True)}
        case _:
            return {"Retry-After": f"{fault.retry_after:g}"}
