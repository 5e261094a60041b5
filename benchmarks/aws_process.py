"""An AWS account in a process of its own, which counts S3's requests and can fail some: `python -m …aws_process`.

It prints its endpoint. `DELETE /_benchmark` begins the count anew; `GET /_benchmark` answers `{"PUT picture": 2, …}`;
`POST /_benchmark {"rate": 0.05, "requests": 6, "seed": 1}` makes S3 refuse that share of the keys that are written,
each for its first so many requests, as S3 does when it is overloaded: `503 SlowDown`.
"""

import json
import logging
from collections import Counter
from collections.abc import Callable, Iterable
from random import Random
from threading import Lock
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

SLOW_DOWN = b'<?xml version="1.0" encoding="UTF-8"?><Error><Code>SlowDown</Code><Message>Busy.</Message></Error>'
StartResponse = Callable[..., Any]


class Account:
    """moto's application behind a counter and a fault."""

    def __init__(self) -> None:
        self._application = DomainDispatcherApplication(create_backend_app)
        self._lock = Lock()
        self._counts: Counter[str] = Counter()
        self._rate = 0.0
        self._outage_requests = 0
        self._random = Random(0)
        self._refusals_left: dict[str, int] = {}

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request (WSGI)."""
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if path == "/_benchmark":
            return self._control(method, environ, start_response)
        if path.endswith((".png", ".json")):
            with self._lock:
                self._counts[f"{method} {'picture' if path.endswith('.png') else 'record'}"] += 1
                refused = method == "PUT" and self._is_refused(path)
            if refused:
                environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
                start_response("503 Slow Down", [("Content-Type", "application/xml")])
                return [SLOW_DOWN]
        answer: Iterable[bytes] = self._application(environ, start_response)
        return answer

    def _is_refused(self, path: str) -> bool:
        if path not in self._refusals_left:
            self._refusals_left[path] = self._outage_requests if self._random.random() < self._rate else 0
        self._refusals_left[path] -= 1
        return self._refusals_left[path] >= 0

    def _control(self, method: str, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        with self._lock:
            counts = json.dumps(self._counts).encode()
            if method == "DELETE":
                self._counts.clear()
            elif method == "POST":
                fault = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
                self._rate, self._outage_requests = fault["rate"], fault["requests"]
                self._random = Random(fault["seed"])
                self._refusals_left.clear()
        start_response("200 OK", [("Content-Type", "application/json")])
        return [counts]


def main() -> None:
    """Serve until terminated."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, Account(), threaded=True)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
