"""Runs of the functions in which every log line and metric is written at least once."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from generate_image.errors import GenerateImageError
from generate_image.functions._runtime import Environment, LambdaContext, with_boundary
from generate_image.settings import Settings
from local.account import Account
from local.openai_stand_in import StandIn
from tests.account.provider_server import ProviderServer, refuse, respond
from tests.account.watch import Watch
from tests.events import event_for
from tests.module import Module


def _fail_unexpectedly(module: Module, _stand_in: StandIn) -> None:
    environment = Environment(settings=Settings.from_mapping(module.environ), log=module._log, clients=module.clients)

    def serve(_event: object, _context: LambdaContext) -> None:
        environment.log.bind(client_id="1", image_id="0f5c8a1e-3b1d-51ef-9a52-0a1b2c3d4e5f")
        raise ZeroDivisionError

    module.function = with_boundary(serve, environment)


FAILURES: dict[str, Callable[[Module, StandIn], None]] = {
    "ProviderAuthError": lambda _, stand_in: stand_in.accept_keys({"sk-another"}),
    "QuotaExhaustedError": lambda _, stand_in: stand_in.script("insufficient_quota"),
    "ConfigurationError": lambda module, _: module.restart(IMAGE_BUCKET="a-bucket-that-does-not-exist"),
    "ModelUnavailableError": lambda module, _: module.restart(IMAGE_MODELS="dall-e-3"),
    "OutcomeUnknownError": lambda _, stand_in: stand_in.script("closed_after_billing"),
    "InternalError": _fail_unexpectedly,
}
"""The errors that have an alarm, and their causes."""


@dataclass
class Emitted:
    """Log lines, metrics, and the metrics of each failure."""

    lines: list[dict[str, Any]] = field(default_factory=list)
    metrics: list[dict[str, Any]] = field(default_factory=list)
    of_failure: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def add(self, lines: list[dict[str, Any]]) -> None:
        """Add the lines of one log."""
        self.lines += [line for line in lines if "_aws" not in line]
        self.metrics += [line for line in lines if "_aws" in line]


def run_everything(account: Account, stand_in: StandIn) -> Emitted:
    """Buy, replay, fail in every way that has an alarm, and check the models."""
    account.create_secret({"apiKey": stand_in.api_key})
    emitted = Emitted()
    module = Module(account, stand_in)
    for _ in range(2):
        module.invoke(event_for("a lighthouse", idempotency_key="k"))
    emitted.add(module.log_lines())
    for name, cause in FAILURES.items():
        stand_in.reset()
        module = Module(account, stand_in)
        cause(module, stand_in)
        with suppress(GenerateImageError):
            module.invoke(event_for("a windmill"))
        emitted.of_failure[name] = module.metrics()
        emitted.add(module.log_lines())
    emitted.add(_check_models())
    return emitted


def _check_models() -> list[dict[str, Any]]:
    days = respond(200, {"shutdown_date": "2027-01-24"})
    no_date = respond(200, {"shutdown_date": None})
    with ProviderServer(days, no_date, refuse(404, "model_not_found"), refuse(403, "no")) as server:
        watch = Watch(server.base_url, "first", "second", "third", "fourth")
        watch.run()
    return watch.lines()
