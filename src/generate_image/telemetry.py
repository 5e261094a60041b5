"""What the operator sees: one JSON log line and a few metrics for whatever happened.

No line holds a key or a prompt. Metrics are CloudWatch's embedded format, on the log like everything else.
"""

import traceback
from collections.abc import Mapping
from datetime import date
from typing import IO, TYPE_CHECKING, Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from generate_image.errors import GenerateImageError

if TYPE_CHECKING:
    from generate_image.openai_images import Purchase

SERVICE = "generate-image"
NAMESPACE = "GenerateImage"
FEW_DAYS_LEFT = 30
"""Of a model: less raises an alarm."""


class Telemetry:
    """The log and the metrics of one function."""

    def __init__(self, stream: IO[str] | None = None, *, service: str = SERVICE) -> None:
        """stream: where the log goes; standard output by default. Metrics always go to standard output.

        service: the name on every line and every metric.
        """
        self._service = service
        self._log = Logger(service=service, stream=stream, location=None)

    def begin(self, function_request_id: str) -> None:
        """Start the lines of one invocation."""
        self._log.clear_state()
        self._log.append_keys(function_request_id=function_request_id)

    def identify(self, *, client_id: str, image_id: str) -> None:
        """Tell whose request, and which picture, the lines from here on are about."""
        self._log.append_keys(client_id=client_id, image_id=image_id)

    def bought(self, purchase: "Purchase", cost_usd: float | None) -> None:
        """Tell of a picture that the provider was paid for."""
        usage = purchase.usage or {}
        self._log.append_keys(model=purchase.model, openai_request_id=purchase.request_id)
        self._log.info("picture bought", seconds=round(purchase.seconds, 3), usage=usage, cost_usd=cost_usd)
        metrics = self._metrics("model", purchase.model)
        metrics.add_metric("PicturesBought", MetricUnit.Count, 1)
        metrics.add_metric("ProviderLatency", MetricUnit.Milliseconds, round(purchase.seconds * 1000))
        if usage:
            metrics.add_metric("OutputTokens", MetricUnit.Count, usage["output_tokens"])
        if cost_usd is not None:
            metrics.add_metric("CostUsd", MetricUnit.NoUnit, cost_usd)
        metrics.flush_metrics()

    def stored(self, key: str) -> None:
        """Tell of a picture that is in S3."""
        self._log.info("picture stored", key=key)

    def replayed(self, picture: Mapping[str, Any]) -> None:
        """Tell of an answer that was given from the record. picture: what the record keeps of it."""
        self._log.append_keys(**{name: picture[name] for name in ("model", "openai_request_id") if name in picture})
        self._log.info("picture replayed", key=picture["key"])
        metrics = self._metrics()
        metrics.add_metric("PicturesReplayed", MetricUnit.Count, 1)
        metrics.flush_metrics()

    def not_recorded(self, status: str, error: GenerateImageError) -> None:
        """Tell of a record that could not be written, though the request went on."""
        self._log.warning("record not written", record_status=status, error=error.code, error_message=str(error))

    def failed(self, error: GenerateImageError) -> None:
        """Tell of an error that is given to the caller."""
        tell = self._log.warning if error.retryable or error.status in range(400, 500) else self._log.error
        if error.provider_request_id:
            self._log.append_keys(openai_request_id=error.provider_request_id)
        tell("request failed", error=error.code, error_message=str(error), retryable=error.retryable)
        metrics = self._metrics("error", error.code)
        metrics.add_metric("Failures", MetricUnit.Count, 1)
        metrics.flush_metrics()

    def model_watched(self, model: str, shutdown_date: date | None, days_left: int | None) -> None:
        """Tell how many days a model has left; None where the provider names no end."""
        if days_left is None:
            self._log.info("model has no shutdown date", model=model)
            return
        tell = self._log.warning if days_left < FEW_DAYS_LEFT else self._log.info
        tell("model has a shutdown date", model=model, shutdown_date=str(shutdown_date), days_left=days_left)
        self._count_days(model, days_left)

    def model_gone(self, model: str) -> None:
        """Tell that the provider does not know a model any more, or never did."""
        self._log.error("model is gone", model=model, days_left=0)
        self._count_days(model, 0)

    def models_unwatched(self, model: str | None, reason: str) -> None:
        """Tell that the provider could not be asked about a model, or about any where it is None."""
        self._log.warning("model not watched", model=model, reason=reason)
        metrics = self._metrics()
        metrics.add_metric("ModelsUnwatched", MetricUnit.Count, 1)
        metrics.flush_metrics()

    def _count_days(self, model: str, days_left: int) -> None:
        metrics = self._metrics("model", model)
        metrics.add_metric("ModelDaysLeft", MetricUnit.Count, days_left)
        metrics.flush_metrics()

    def unforeseen(self, error: Exception) -> None:
        """Tell where an exception comes from that should not be: not its message, which may quote anything."""
        frames = [
            f"{frame.name} ({frame.filename}:{frame.lineno})" for frame in traceback.extract_tb(error.__traceback__)
        ]
        self._log.error("unforeseen exception", exception=type(error).__name__, frames=frames)

    def _metrics(self, dimension: str | None = None, value: str = "") -> EphemeralMetrics:
        metrics = EphemeralMetrics(namespace=NAMESPACE, service=self._service)
        if dimension:
            metrics.add_dimension(dimension, value)
        return metrics
