"""`python -m local.openai_stand_in`: the stand-in as a process, until Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import sys
from datetime import date
from threading import Event

from .control import shutdown_date
from .stand_in import StandIn


def _model_date(text: str) -> tuple[str, date | None]:
    model, _, day = text.partition("=")
    return model, shutdown_date(model, None if day == "none" else day)


def main(arguments: list[str] | None = None) -> None:
    """Run until interrupted or terminated."""
    parser = argparse.ArgumentParser(
        prog="python -m local.openai_stand_in", description="A stand-in for OpenAI's Images API."
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0, the default: any that is free")
    parser.add_argument("--api-key", default="sk-stand-in", help="the key that is accepted")
    parser.add_argument("--latency", type=float, default=0, metavar="SECONDS", help="what a picture takes")
    parser.add_argument("--picture-bytes", type=int, default=0, metavar="N", help="pad pictures to about N bytes")
    parser.add_argument("--dall-e-3", action="store_true", help="serve dall-e-3, as some compatible hosts do")
    parser.add_argument(
        "--shutdown-date", type=_model_date, action="append", default=[], metavar="MODEL=YYYY-MM-DD|none"
    )
    parser.add_argument("--today", type=date.fromisoformat, metavar="YYYY-MM-DD", help="the day by which models retire")
    options = parser.parse_args(arguments)
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with StandIn(
        host=options.host,
        port=options.port,
        api_key=options.api_key,
        latency=options.latency,
        picture_bytes=options.picture_bytes,
        dall_e_3=options.dall_e_3,
        shutdown_dates=dict(options.shutdown_date),
        today=options.today,
    ) as stand_in:
        print(f"The stand-in for OpenAI listens on {stand_in.base_url}", file=sys.stderr, flush=True)
        stop.wait()


if __name__ == "__main__":
    main()
