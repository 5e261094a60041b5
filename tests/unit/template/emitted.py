"""The log lines and metrics of every method of the log, once."""

import json
from collections.abc import Iterator
from contextlib import redirect_stdout
from datetime import date
from io import StringIO
from typing import Any

from generate_image.errors import ConfigurationError, ContentRejectedError, OutcomeUnknownError, ProviderAuthError
from generate_image.errors import QuotaExhaustedError as NoMoneyError
from generate_image.log import Log
from generate_image.picture import BoughtPicture, StoredPicture, Usage

PICTURE = BoughtPicture("gpt-image-2.6-flare", "req_1", Usage(23, 439, 462), 0.0133)
CHECKS = {"model-watch"}


def lines(stack_name: str = "generate-image") -> list[dict[str, Any]]:
    """Return the lines of all functions of a stack. Metrics are the lines with ``_aws``."""
    stream = StringIO()
    with redirect_stdout(stream):
        for service in ("generate-image", "model-watch"):
            _log_everything(Log(f"{stack_name}-{service}", stream), is_watch=service in CHECKS)
    return list(_parsed(stream.getvalue()))


def _log_everything(log: Log, *, is_watch: bool) -> None:
    log.start_invocation("0f5c8a1e")
    if is_watch:
        log.model_checked("gpt-image-2.6-flare", date(2026, 12, 1), 9)
        log.model_checked("gpt-image-2", None, None)
        log.model_gone("gpt-image-1.5")
        log.models_not_checked("gpt-image-2", "HTTP 403")
        return
    log.bind(client_id="1", image_id="0f5c8a1e-3b1d-51ef-9a52-0a1b2c3d4e5f")
    log.picture_bought(PICTURE, 12.3)
    log.picture_bought(PICTURE._replace(model="dall-e-3", cost_usd=None), 12.3)
    log.picture_stored(StoredPicture("temporal/cli_1/0f5c.png", "image/png", 0, "present"), "gpt-image-2.6-flare")
    log.picture_replayed(PICTURE, "temporal/cli_1/0f5c.png")
    log.settled_in_full("0f5c8a1e-3b1d-51ef-9a52-0a1b2c3d4e5f", 0.25)
    log.settled_above_reservation("0f5c8a1e-3b1d-51ef-9a52-0a1b2c3d4e5f", 0.3, 0.25)
    log.batch_submitted_twice("batch_1")
    log.line_not_read("0f5c8a1e")
    for error in (ConfigurationError, ContentRejectedError, NoMoneyError, OutcomeUnknownError, ProviderAuthError):
        log.request_failed(error("failed"))
    log.record_not_written("stored", ConfigurationError("failed"))
    log.ledger_not_written(ConfigurationError("failed"))
    try:
        raise ZeroDivisionError  # noqa: TRY301  # its traceback is logged
    except ZeroDivisionError as error:
        log.unexpected_exception(error)


def _parsed(text: str) -> Iterator[dict[str, Any]]:
    for line in text.splitlines():
        yield json.loads(line)
