"""The stand-in as a WSGI application and as an object: routes, headers, and the server's life."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from threading import Thread
from typing import TYPE_CHECKING, Any, Self

from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.routing import Map, Rule
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server
from werkzeug.wrappers import Request

from local.loopback import LOOPBACK_NAMES, is_own_host

from . import batches_api, images_api
from .delivery import Reply, add_headers, deliver, json_reply
from .faults import API_HEADERS
from .parameters import RefusalError
from .state import State

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

HOST_NAMES = frozenset({*LOOPBACK_NAMES, "host.docker.internal"})
"""Names of this machine, as its own programs and its containers use them."""


def create_app(state: State, host: str = "127.0.0.1") -> WSGIApplication:
    """Return the application. It refuses a request for another host, and any request of a web page."""
    routes = Map(
        [
            Rule(path, methods=[method], endpoint=view)
            for method, path, view in (*images_api.ROUTES, *batches_api.ROUTES)
        ]
    )
    names = {*HOST_NAMES, host}

    def dispatch(request: Request, request_id: str) -> Reply:
        if not is_own_host(request.environ, names) or "Origin" in request.headers:
            raise RefusalError("The stand-in serves programs on this machine, and no web page.", status=403)
        try:
            view, arguments = routes.bind_to_environ(request.environ).match()
        except MethodNotAllowed as error:
            message = f"Not allowed to {request.method} on {request.path}."
            raise RefusalError(message, status=405, code="method_not_supported") from error
        except HTTPException as error:
            raise RefusalError(f"Invalid URL ({request.method} {request.path})", status=404) from error
        reply: Reply = view(state, request, request_id, **arguments)
        return reply

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        started = time.monotonic()
        request_id = f"req_{secrets.token_hex(16)}"
        try:
            reply = dispatch(Request(environ), request_id)
        except RefusalError as refusal:
            reply = json_reply(refusal.status, refusal.body)
        milliseconds = round((time.monotonic() - started) * 1000)
        headers = {**API_HEADERS, "x-request-id": request_id, "openai-processing-ms": str(milliseconds)}
        add_headers(reply, headers)
        deliver(reply, environ["werkzeug.socket"], state.pause)
        return reply(environ, start_response)

    return application


@dataclass(kw_only=True, eq=False)
class StandIn(State):
    """A stand-in for OpenAI's Images API and Batch API; `with StandIn() as stand_in:` runs it on a free port.

    api_key: the accepted key, until `accept_keys` replaces it.
    latency: seconds that a picture takes; it is billed at their end.
    picture_bytes: PNGs are padded to about so many bytes; OpenAI's have 1.3 to 2.3 million.
    dall_e_3: serve dall-e-3, as hosts do that speak OpenAI's older dialect.
    shutdown_dates: other shutdown dates by model; None for no date.
    today: the date by which models are retired; None for the true one, in UTC.
    sign: signs the pictures of the GPT image models, as `content_credentials.sign` does; None leaves them unsigned.
    batch_seconds: that a batch takes. clock: moves the batches; seconds since the epoch.
    sleep: replaces waiting, for latency and faults; takes seconds. A test gives one that waits for an Event.
    host: the address to listen on. port: 0 for a free one.

    Every setting but the last two may change while the stand-in runs; `reset` restores all of them.
    """

    host: str = "127.0.0.1"
    port: int = 0

    def __enter__(self) -> Self:
        """Listen."""
        self.stopping.clear()
        self._server: BaseWSGIServer = make_server(
            self.host, self.port, create_app(self, self.host), threaded=True, request_handler=_Handler
        )
        self.port = self._server.port
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, and abort the requests that wait."""
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """The server's address, such as `http://127.0.0.1:8080`."""
        return f"http://{self.host}:{self.port}"

    @property
    def base_url(self) -> str:
        """The base URL for an OpenAI client."""
        return f"{self.url}/v1"

    def ledger(self) -> dict[str, Any]:
        """Return what was requested and billed since the last reset.

        `requests`; `billed`: pictures, counted when they are complete, before the response; `usd`; `downloads`,
        `downloads_with_authorization`; `by_prompt`: requests and billed by `prompt_key`; `recent`: the last 100
        requests (`Entry`); `last_picture_sha256`. It holds no prompt.
        """
        return self.current_ledger.to_dict()


class _Handler(WSGIRequestHandler):
    """A connection without log lines, closed as soon as its request has ended."""

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 - werkzeug's name
        pass

    def connection_dropped(self, error: BaseException, environ: WSGIEnvironment | None = None) -> None:  # noqa: ARG002
        self.close_connection = True
