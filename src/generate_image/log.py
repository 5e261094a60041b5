"""JSON log lines and metrics, in CloudWatch's embedded metric format. No line contains a key or a prompt."""

import traceback
from datetime import date
from typing import IO

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from generate_image.errors import GenerateImageError
from generate_image.picture import BoughtPicture, StoredPicture

NAMESPACE = "GenerateImage"
FEW_DAYS_LEFT = 30
"""A model with fewer days before its shutdown is logged as a warning."""


class Log:
    """The log and the metrics of one function."""

    def __init__(self, service: str, stream: IO[str] | None = None) -> None:
        """service: the function's name on every line and metric. stream: of the log; default: standard output.

        Metrics always go to standard output.
        """
        self._service = service
        self._logger = Logger(service=service, stream=stream, location=None)

    def start_invocation(self, function_request_id: str) -> None:
        """Drop the keys of the last invocation."""
        self._logger.clear_state()
        self._logger.append_keys(function_request_id=function_request_id)

    def bind(self, *, client_id: str, image_id: str) -> None:
        """Add the client and the picture to the lines that follow."""
        self._logger.append_keys(client_id=client_id, image_id=image_id)

    def picture_bought(self, picture: BoughtPicture, seconds: float | None) -> None:
        """Log and count a purchase. seconds: from the request to the end of the response; None in a batch."""
        self._bind_picture(picture)
        usage = picture.usage._asdict() if picture.usage else {}
        rounded = None if seconds is None else round(seconds, 3)
        self._logger.info("picture bought", seconds=rounded, usage=usage, cost_usd=picture.cost_usd)
        with_unit = [("PicturesBought", MetricUnit.Count, 1.0)]
        if seconds is not None:
            with_unit.append(("ProviderLatency", MetricUnit.Milliseconds, round(seconds * 1000)))
        if picture.usage:
            with_unit.append(("OutputTokens", MetricUnit.Count, picture.usage.output_tokens))
        if picture.cost_usd is not None:
            with_unit.append(("CostUsd", MetricUnit.NoUnit, picture.cost_usd))
        self._count(*with_unit, model=picture.model)

    def picture_stored(self, stored: StoredPicture, model: str) -> None:
        """Log the S3 key of a picture, and count 1 or 0 for its content credentials, by model."""
        self._logger.info("picture stored", key=stored.key, content_credentials=stored.content_credentials)
        if stored.content_credentials:
            is_present = stored.content_credentials == "present"
            self._count(("ContentCredentials", MetricUnit.Count, float(is_present)), model=model)

    def picture_replayed(self, picture: BoughtPicture, key: str) -> None:
        """Log and count an answer from a record, for which nothing was bought."""
        self._bind_picture(picture)
        self._logger.info("picture replayed", key=key)
        self._count(("PicturesReplayed", MetricUnit.Count, 1))

    def record_not_written(self, status: str, error: GenerateImageError) -> None:
        """Log a failed write of a record. The request goes on."""
        self._logger.warning("record not written", record_status=status, error=error.code, error_message=str(error))

    def ledger_not_written(self, error: GenerateImageError) -> None:
        """Log a failed settlement. The reservation stays open until it is resolved from its record."""
        self._logger.warning("ledger not written", error=error.code, error_message=str(error))

    def settled_in_full(self, image_id: str, reserved_usd: float) -> None:
        """Log a picture that may be billed, or whose cost is not known: the budget counts its whole reservation."""
        self._logger.warning("settled in full", image_id=image_id, reserved_usd=reserved_usd)

    def settled_above_reservation(self, image_id: str, cost_usd: float, reserved_usd: float) -> None:
        """Log and count a picture that cost more than its price bound."""
        self._logger.error(
            "settled above the reservation", image_id=image_id, cost_usd=cost_usd, reserved_usd=reserved_usd
        )
        self._count(("SettledAboveReservation", MetricUnit.Count, 1))

    def batch_submitted_twice(self, batch_id: str) -> None:
        """Log and count a batch of the provider that is cancelled, because an older one has the same requests."""
        self._logger.error("batch submitted twice", batch_id=batch_id)
        self._count(("BatchesSubmittedTwice", MetricUnit.Count, 1))

    def line_not_read(self, shard_id: str) -> None:
        """Log and count a malformed line in a file of a batch, or a line with an unknown id."""
        self._logger.error("line of a batch not read", shard=shard_id)
        self._count(("BatchLinesNotRead", MetricUnit.Count, 1))

    def request_failed(self, error: GenerateImageError) -> None:
        """Log and count an error that the caller gets."""
        is_expected = error.retryable or error.status in range(400, 500)
        write = self._logger.warning if is_expected else self._logger.error
        if error.provider_request_id:
            self._logger.append_keys(openai_request_id=error.provider_request_id)
        write("request failed", error=error.code, error_message=str(error), retryable=error.retryable)
        self._count(("Failures", MetricUnit.Count, 1), error=error.code)

    def unexpected_exception(self, error: Exception) -> None:
        """Log the place of an exception, not its message, which may quote a prompt."""
        frames = [
            f"{frame.name} ({frame.filename}:{frame.lineno})" for frame in traceback.extract_tb(error.__traceback__)
        ]
        self._logger.error("unexpected exception", exception=type(error).__name__, frames=frames)

    def model_checked(self, model: str, shutdown_date: date | None, days_left: int | None) -> None:
        """Log and count the days before a shutdown. days_left: None if the provider names no date."""
        if days_left is None:
            self._logger.info("model has no shutdown date", model=model)
            return
        write = self._logger.warning if days_left < FEW_DAYS_LEFT else self._logger.info
        write("model has a shutdown date", model=model, shutdown_date=str(shutdown_date), days_left=days_left)
        self._count(("ModelDaysLeft", MetricUnit.Count, days_left), model=model)

    def model_gone(self, model: str) -> None:
        """Log a model that the provider does not have."""
        self._logger.error("model is gone", model=model, days_left=0)
        self._count(("ModelDaysLeft", MetricUnit.Count, 0), model=model)

    def models_not_checked(self, model: str | None, reason: str) -> None:
        """Log and count a failed check of one model, or of all models if it is None."""
        self._logger.warning("model not checked", model=model, reason=reason)
        self._count(("ModelsNotChecked", MetricUnit.Count, 1))

    def _bind_picture(self, picture: BoughtPicture) -> None:
        self._logger.append_keys(model=picture.model)
        if picture.openai_request_id:
            self._logger.append_keys(openai_request_id=picture.openai_request_id)

    def _count(self, *metrics: tuple[str, MetricUnit, float], **dimensions: str) -> None:
        emitted = EphemeralMetrics(namespace=NAMESPACE, service=self._service)
        for name, value in dimensions.items():
            emitted.add_dimension(name, value)
        for metric_name, unit, number in metrics:
            emitted.add_metric(metric_name, unit, number)
        emitted.flush_metrics()
