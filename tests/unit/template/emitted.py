"""The log lines and metrics of every function that emits metrics for an alarm, each method of the log once."""

import json
from collections.abc import Callable
from contextlib import redirect_stdout
from datetime import date
from functools import cache
from io import StringIO
from typing import Any

from generate_image.errors import ERRORS_BY_CODE, ConfigurationError
from generate_image.log import Log
from generate_image.picture import BoughtPicture, StoredPicture, Usage
from local.expand_template import Stack

PICTURE = BoughtPicture("gpt-image-2.6-flare", "req_1", Usage(23, 439, 462), 0.0133)
IMAGE_ID = "0f5c8a1e-3b1d-51ef-9a52-0a1b2c3d4e5f"


def lines(stack: Stack) -> list[dict[str, Any]]:
    """Return the lines of the functions of a stack. Metrics are the lines with ``_aws``."""
    variables = {function: stack.properties(function)["Environment"]["Variables"] for function in FUNCTIONS}
    services = tuple((function, variables[function]["POWERTOOLS_SERVICE_NAME"]) for function in FUNCTIONS)
    return [json.loads(line) for line in _logged(services).splitlines()]


@cache  # Powertools keeps the stream of the first logger of a name
def _logged(services: tuple[tuple[str, str], ...]) -> str:
    stream = StringIO()
    with redirect_stdout(stream):
        for function, service in services:
            log = Log(service, stream)
            log.start_invocation("0f5c8a1e")
            FUNCTIONS[function](log)
    return stream.getvalue()


def _of_generate_function(log: Log) -> None:
    log.bind(client_id="1", image_id=IMAGE_ID)
    _of_both_buyers(log, seconds=12.3)
    log.picture_replayed(PICTURE, "temporal/cli_1/0f5c.png")
    log.record_not_written("stored", ConfigurationError("failed"))


def _of_batch_function(log: Log) -> None:
    log.batch_submitted_twice("batch_1")
    log.line_not_read("0f5c8a1e")
    log.bind(client_id="1", image_id=IMAGE_ID)
    _of_both_buyers(log, seconds=None)


def _of_both_buyers(log: Log, *, seconds: float | None) -> None:
    log.picture_bought(PICTURE, seconds)
    log.picture_bought(PICTURE._replace(model="dall-e-3", cost_usd=None), seconds)
    log.picture_stored(StoredPicture("temporal/cli_1/0f5c.png", "image/png", 0, "present"), "gpt-image-2.6-flare")
    log.settled_in_full(IMAGE_ID, 0.25)
    log.settled_above_reservation(IMAGE_ID, 0.3, 0.25)
    log.ledger_not_written(ConfigurationError("failed"))
    for error in ERRORS_BY_CODE.values():
        log.request_failed(error("failed"))
    try:
        raise ZeroDivisionError  # noqa: TRY301  # its traceback is logged
    except ZeroDivisionError as error:
        log.unexpected_exception(error)


def _of_model_watch(log: Log) -> None:
    log.model_checked("gpt-image-2.6-flare", date(2026, 12, 1), 9)
    log.model_checked("gpt-image-2", None, None)
    log.model_gone("gpt-image-1.5")
    log.models_not_checked("gpt-image-2", "HTTP 403")


FUNCTIONS: dict[str, Callable[[Log], None]] = {
    "GenerateImageFunction": _of_generate_function,
    "BatchShardsFunction": _of_batch_function,
    "ModelWatchFunction": _of_model_watch,
}
