"""``make serve``: the HTTP API, the state machine and a page, on this machine until Ctrl-C."""

import os
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from threading import Event
from time import sleep

from local.account import local_account
from local.http_api import http_api
from local.provider import provider
from local.web_server import web_server

LOG = Path("out/serve.log")


def main(environ: Mapping[str, str]) -> int:
    """Serve on ``PORT`` (0: a free one) until Ctrl-C, and return the exit status.

    ``LATENCY``: seconds that the stand-in takes.
    """
    try:
        port, latency = int(environ.get("PORT", "8080")), float(environ.get("LATENCY", "3"))
    except ValueError:
        _tell("PORT must be a number, and LATENCY a number of seconds.")
        return 2
    LOG.parent.mkdir(exist_ok=True)
    with (
        LOG.open("w", encoding="utf-8", buffering=1) as log,
        redirect_stdout(log),  # where the metrics go
        provider(environ, _tell, latency=latency) as (secret, settings),
        local_account() as account,
        http_api(account, account.settings | settings, log, sleep=sleep) as gateway,
    ):
        account.create_secret(secret)
        try:
            with web_server(gateway, port, _tell) as url:
                _tell(f"{url}/: the page. {url}/docs: the API. The functions' log is in {LOG}.")
                if "OPENAI_BASE_URL" in settings:
                    stand_in = settings["OPENAI_BASE_URL"].removesuffix("/v1")
                    _tell(
                        f"{stand_in}/_stand_in/…: the stand-in's controls, told in local/openai_stand_in/__init__.py."
                    )
                _tell("Ctrl-C ends it, and with it every picture.")
                Event().wait()
        except KeyboardInterrupt:
            _tell("")
        except OSError as error:
            _tell(f"Port {port} cannot be used ({error.strerror}): make serve PORT=8081")
            return 1
    return 0


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(os.environ))
