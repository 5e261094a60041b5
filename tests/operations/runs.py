"""Runs of the module and of the watch in which everything that is measured happens at least once."""

from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from generate_image.errors import GenerateImageError
from generate_image.handler import told
from local.account import Account
from local.lambda_context import LocalContext
from local.openai_stand_in import StandIn
from tests.module import Module, event_for
from tests.operations.watch import Watch

FIRST, SECOND = "gpt-image-2.6-flare", "gpt-image-2"
FAILURES: dict[str, Callable[[Module, StandIn], None]] = {
    "ProviderAuthError": lambda _, stand_in: stand_in.accept_keys({"sk-another"}),
    "QuotaExhaustedError": lambda _, stand_in: stand_in.script("insufficient_quota"),
    "ConfigurationError": lambda module, _: module.restart(IMAGE_BUCKET="a-bucket-that-is-not-there"),
    "ModelUnavailableError": lambda module, _: module.restart(IMAGE_MODELS="dall-e-3"),
    "OutcomeUnknownError": lambda _, stand_in: stand_in.script("closed_after_billing"),
}
"""What an alarm is raised for, and how it comes about."""


@dataclass
class Emitted:
    """What runs left behind: log lines without metrics, metrics, and what a run's failure counted."""

    lines: list[dict[str, Any]] = field(default_factory=list)
    metrics: list[dict[str, Any]] = field(default_factory=list)
    of_failure: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


def run_everything(account: Account, stand_in: StandIn) -> Emitted:
    """Buy, replay, fail in every way that has an alarm, and look after the models."""
    account.create_secret({"apiKey": stand_in.api_key})
    emitted = Emitted()
    module = Module(account, stand_in)
    for _ in range(2):
        module.invoke(event_for("a lighthouse", idempotency_key="k"))
    _keep(emitted, module.log_lines())
    for name, break_it in FAILURES.items():
        stand_in.reset()
        module = Module(account, stand_in)
        break_it(module, stand_in)
        with suppress(GenerateImageError):
            module.invoke(event_for("a windmill"))
        emitted.of_failure[name] = module.metrics()
        _keep(emitted, module.log_lines())
    _keep(emitted, _fault_of_the_code(Module(account, stand_in)))
    stand_in.reset()
    today = datetime.now(UTC).date()
    stand_in.shutdown_dates = {FIRST: today + timedelta(days=9), SECOND: None, "gpt-image-1.5": today}
    watch = Watch(account, stand_in, f"{FIRST},{SECOND},gpt-image-1.5")
    watch.look()
    stand_in.script("models_restricted_key")
    watch.look()
    _keep(emitted, watch.log_lines() + watch.metrics())
    return emitted


def _fault_of_the_code(module: Module) -> list[dict[str, Any]]:
    def serve() -> dict[str, Any]:
        module.telemetry.identify(client_id="1", image_id="0f5c8a1e-3b1d-51ef-9a52-0a1b2c3d4e5f")
        raise ZeroDivisionError

    with suppress(GenerateImageError), redirect_stdout(module.log):
        told(module.telemetry, LocalContext(), serve)
    return module.log_lines()


def _keep(emitted: Emitted, lines: list[dict[str, Any]]) -> None:
    emitted.lines += [line for line in lines if "_aws" not in line]
    emitted.metrics += [line for line in lines if "_aws" in line]
