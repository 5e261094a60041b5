"""``make serve``: the HTTP API, the state machine and a page, on this machine until Ctrl-C."""

import os
from collections.abc import Mapping

from generate_image.functions import generate_image
from local.http_api import http_api
from local.notifications import webhook
from local.terminal import FAILURE, CommandError, report, run_command
from local.watched import Watched
from local.web_server import web_server
from local.workspace import workspace

LOG = "serve.log"
LARGEST_PORT = 65_535


def main(environ: Mapping[str, str]) -> int:
    """Serve on ``PORT`` (0: a free one) until Ctrl-C, and return the exit status.

    ``LATENCY``: seconds that the stand-in takes. ``CORS_ORIGINS``: the parameter CorsOrigins of the stack.
    ``WEBHOOK_URL`` and ``WEBHOOK_SECRET``: of a webhook for stored pictures.
    ``BUDGET_USD``: each client's monthly budget.
    """
    port, latency = port_of(environ, default=8080), _latency(environ)
    origins = [origin.strip() for origin in environ.get("CORS_ORIGINS", "").split(",") if origin.strip()]
    if "*" in origins:
        raise CommandError("CORS_ORIGINS must list origins: with * every web page could buy pictures.")
    with workspace(environ, LOG, latency=latency) as local:
        generate = Watched(local.function(generate_image.build), local)
        api = http_api(
            local.account,
            local.settings,
            local.log,
            sleep=generate.sleep,
            buys=generate,
            secrets_manager=local.secrets_manager,
            cors_origins=origins,
        )
        with webhook(environ, local.account, report), api as gateway:
            try:
                with web_server(gateway, port, report, has_budget="MONTHLY_BUDGET_USD" in local.settings) as url:
                    report(f"{url}/: the page. {url}/docs: the API. The functions' log: {local.out / LOG}.")
                    report("A prompt that contains [moderation_blocked] fails so; docs/api.md lists more errors.")
                    report(f"Ctrl-C ends it. Records and pictures stay in {local.account_path}.")
                    generate.stopped.wait()
            except KeyboardInterrupt:
                generate.stop()
                report(f"Ended. {generate.summary()}")
            except OSError as error:
                message = f"Port {port} cannot be used ({error.strerror}): make serve PORT=8081"
                raise CommandError(message, FAILURE) from None
        if generate.problem is not None:
            raise generate.problem
    return 0


def port_of(environ: Mapping[str, str], *, default: int) -> int:
    """Return ``PORT``. Raises CommandError."""
    text = environ.get("PORT") or str(default)
    if text.isascii() and text.isdecimal() and int(text) <= LARGEST_PORT:
        return int(text)
    raise CommandError(f"PORT must be a number from 0 to {LARGEST_PORT}.")


def _latency(environ: Mapping[str, str]) -> float:
    text = environ.get("LATENCY") or "3"
    if text.isascii() and text.replace(".", "", 1).isdecimal():
        return float(text)
    raise CommandError("LATENCY must be a number of seconds.")


if __name__ == "__main__":
    run_command(lambda: main(os.environ))
