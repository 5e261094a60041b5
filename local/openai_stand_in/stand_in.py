"""The stand-in as a WSGI application and as an object: routes, headers, and the server's life."""

from __future__ import annotations

import secrets
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.serving import WSGIRequestHandler
from werkzeug.wrappers import Request

from local.loopback import ADDRESS, LOOPBACK_NAMES, OwnRequests, serving

from . import batches_api, images_api
from .delivery import Reply, deliver, json_reply
from .parameters import RefusalError
from .state import State

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

HOST_NAMES = (*LOOPBACK_NAMES, "host.docker.internal")
"""Names of this machine, as its own programs and its containers use them."""
ROUTES = Map(
    [Rule(path, methods=[method], endpoint=view) for method, path, view in (*images_api.ROUTES, *batches_api.ROUTES)]
)


def application_of(state: State) -> WSGIApplication:
    """Return the application, which serves the programs of this machine, and no web page."""

    def dispatch(request: Request, request_id: str) -> Reply:
        try:
            view, arguments = ROUTES.bind_to_environ(request.environ).match()
        except HTTPException as error:
            raise RefusalError(f"Invalid URL ({request.method} {request.path})", status=error.code or 404) from error
        reply: Reply = view(state, request, request_id, **arguments)
        return reply

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request_id = f"req_{secrets.token_hex(16)}"
        try:
            reply = dispatch(Request(environ), request_id)
        except RefusalError as refusal:
            reply = json_reply(refusal.status, refusal.body)
        if reply.mimetype != "text/html":  # of a gateway
            reply.headers["x-request-id"] = request_id
        deliver(reply, environ["werkzeug.socket"])
        return reply(environ, start_response)

    return OwnRequests(application, HOST_NAMES)


@dataclass(kw_only=True, eq=False)
class StandIn(State):
    """A stand-in for OpenAI's Images API and Batch API; `with StandIn() as stand_in:` runs it.

    api_key: the accepted key.
    latency: seconds that a picture takes; it is billed at their end.
    picture_bytes: PNGs are padded to about so many bytes; OpenAI's have 1.3 to 2.3 million.
    dall_e_3: serve dall-e-3, as hosts do that speak OpenAI's older dialect.
    sleep: replaces waiting, for latency and faults; takes seconds. A test gives one that waits for an Event.
    sign: signs the pictures of the GPT image models, as `content_credentials.sign` does; None leaves them unsigned.
    batch_seconds: that a batch takes.
    clock: moves the batches and retires the models; seconds since the epoch.

    Every setting may change while the stand-in runs; `reset` restores all of them.
    """

    def __enter__(self) -> Self:
        """Listen on a free port: `port`, `url`, and `base_url` for an OpenAI client."""
        self._server = ExitStack()
        self.port = self._server.enter_context(serving(application_of(self), 0, _Handler)).port
        self.url = f"http://{ADDRESS}:{self.port}"
        self.base_url = f"{self.url}/v1"
        return self

    def __exit__(self, *_: object) -> None:
        """Stop. Requests that wait get no response."""
        self._server.close()


class _Handler(WSGIRequestHandler):
    """A connection without log lines, closed as soon as its request has ended."""

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 - werkzeug's name
        pass

    def connection_dropped(self, error: BaseException, environ: WSGIEnvironment | None = None) -> None:  # noqa: ARG002
        self.close_connection = True
