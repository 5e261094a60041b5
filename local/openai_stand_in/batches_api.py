"""The routes of the Batch API, and the execution of one of its requests."""

from __future__ import annotations

import base64
from contextlib import closing
from typing import TYPE_CHECKING, Any

from .delivery import Reply, json_object, json_reply
from .faults import CATALOGUE, NO_FAULT
from .images_api import check_key, picture_of, success
from .parameters import RefusalError, accept

if TYPE_CHECKING:
    from collections.abc import Mapping

    from werkzeug.wrappers import Request

    from .state import State

_LOST, _CUT = CATALOGUE["closed_after_billing"], CATALOGUE["body_truncated"]


def upload_file(state: State, request: Request, _request_id: str) -> Reply:
    """`POST /v1/files`, multipart."""
    check_key(state, request)
    file, purpose = request.files.get("file"), request.form.get("purpose")
    if file is None or purpose != "batch":
        raise RefusalError("Missing required parameter: 'file', or 'purpose' is not 'batch'.", param="file")
    with closing(file):
        return json_reply(200, state.batches.upload(file.stream.read(), purpose))


def retrieve_content(state: State, request: Request, _request_id: str, name: str) -> Reply:
    """`GET /v1/files/{id}/content`. It has no ranges, for OpenAI documents none."""
    check_key(state, request)
    file = state.batches.content(name)
    reply = Reply(file.content, 200, content_type="application/octet-stream")
    reply.fault = _CUT if file.fault == "output_cut" and file.downloads == 1 else NO_FAULT
    return reply


def create_batch(state: State, request: Request, _request_id: str) -> Reply:
    """`POST /v1/batches`."""
    check_key(state, request)
    batch, fault = state.batches.create(json_object(request))
    if fault == "batch_error":
        return Reply("<html>Bad Gateway</html>", 502, content_type="text/html")
    return json_reply(200, batch, _LOST if fault == "batch_lost" else NO_FAULT)


def retrieve_batch(state: State, request: Request, _request_id: str, name: str) -> Reply:
    """`GET /v1/batches/{id}`."""
    check_key(state, request)
    return json_reply(200, state.batches.retrieve(name))


def list_batches(state: State, request: Request, _request_id: str) -> Reply:
    """`GET /v1/batches`, the newest first; `limit` and `after` select a page."""
    check_key(state, request)
    limit = request.args.get("limit", 20, type=int)
    return json_reply(200, state.batches.listed(limit, request.args.get("after")))


def cancel_batch(state: State, request: Request, _request_id: str, name: str) -> Reply:
    """`POST /v1/batches/{id}/cancel`."""
    check_key(state, request)
    return json_reply(200, state.batches.cancel(name))


ROUTES = (
    ("POST", "/v1/files", upload_file),
    ("GET", "/v1/files/<name>/content", retrieve_content),
    ("POST", "/v1/batches", create_batch),
    ("GET", "/v1/batches", list_batches),
    ("GET", "/v1/batches/<name>", retrieve_batch),
    ("POST", "/v1/batches/<name>/cancel", cancel_batch),
)


def execute(state: State, body: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    """Execute a request of a batch: the status and the body of its response. A picture is billed at half its price.

    A fault without a status is a server error.
    """
    entry = state.entry("batch", body)
    try:
        generation = accept(body, state.models(), state.current_date())
    except RefusalError as refusal:
        return refusal.status, refusal.body
    fault = state.take_fault(body["prompt"]) or NO_FAULT
    if not fault.bills:
        error = fault.body if isinstance(fault.body, dict) else {"error": {"type": "server_error", "code": None}}
        return fault.status or 500, error
    picture = picture_of(state, generation)
    entry.microdollars = -(-generation.microdollars // 2)
    return 200, success(generation, {"b64_json": base64.b64encode(picture).decode()})
