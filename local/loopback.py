"""HTTP servers on this machine's loopback address, and the requests that they refuse.

Every web page that the developer opens can send requests to this address. Browsers name the page in ``Origin``, and the
host of the URL in ``Host``: a page that rebinds its own name to this address is seen there.
"""

import logging
import socket
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server
from werkzeug.wrappers import Response

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

ADDRESS = "127.0.0.1"
LOOPBACK_NAMES = (ADDRESS, "localhost")


@contextmanager
def serving(
    app: "WSGIApplication", port: int, handler: type[WSGIRequestHandler] | None = None, *, threaded: bool = True
) -> Iterator[BaseWSGIServer]:
    """Serve an application until the context ends. port: 0 for a free one. threaded: whether requests run at once.

    Raises OSError for a port in use.
    """
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line for each request hides the command's own lines
    with socket.socket() as listener:  # werkzeug's own way to a port in use is to end the process
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((ADDRESS, port))
        listener.listen(128)
        server = make_server(ADDRESS, port, app, threaded=threaded, request_handler=handler, fd=listener.fileno())
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class OwnRequests:
    """A WSGI application that serves the programs of this machine, and no web page."""

    def __init__(self, app: "WSGIApplication", names: Collection[str]) -> None:
        """names: of this machine."""
        self._app = app
        self._names = names

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer a request."""
        if "HTTP_ORIGIN" in environ or not is_own_host(environ, self._names):
            return Response("This server answers only programs of this machine.\n", 403)(environ, start_response)
        return self._app(environ, start_response)


def is_own_host(environ: "WSGIEnvironment", names: Collection[str] = LOOPBACK_NAMES) -> bool:
    """Return whether the request's ``Host`` is this server."""
    host = environ.get("HTTP_HOST", "")
    return host in {f"{name}:{environ['SERVER_PORT']}" for name in names}
