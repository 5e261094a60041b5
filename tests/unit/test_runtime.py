"""The boundary of every function: its deadline, its log, and the translation of its errors."""

from io import StringIO
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest

from generate_image.errors import ConfigurationError, GenerateImageError, InternalError, RateLimitedError
from generate_image.functions import generate_image
from generate_image.functions._runtime import (
    MARGIN_SECONDS,
    AwsClients,
    Environment,
    LambdaContext,
    Respond,
    entry_point,
    with_boundary,
)
from generate_image.log import Log
from generate_image.picture import StoredPicture
from generate_image.settings import Settings
from local.lambda_context import LocalContext
from tests.memory_s3 import Clock

SETTINGS = {"IMAGE_BUCKET": "pictures", "IMAGE_NAMESPACE": "6f1c8a52-3f0e-4d0a-9a0b-5a5b1e0c7d11"}


class Boundary:
    """A function that raises ``error`` or returns the seconds that are left, inside the boundary."""

    def __init__(self, error: Exception | None = None, respond: Respond | None = None) -> None:
        self.log = StringIO()
        self._environment = Environment(
            settings=Settings.from_mapping(SETTINGS),
            log=Log(f"boundary {uuid4()}", self.log),
            clients=cast("AwsClients", SimpleNamespace()),
            clock=Clock(),
        )
        self._error = error
        self.invoke = with_boundary(self._serve, self._environment, respond)

    def _serve(self, event: object, context: LambdaContext) -> Any:  # noqa: ANN401, ARG002  # signature
        if self._error:
            raise self._error
        return self._environment.deadline.remaining()


@pytest.mark.parametrize("seconds", [300, 60])
def test_deadline_is_a_margin_before_the_timeout(seconds: int) -> None:
    assert Boundary().invoke({}, LocalContext(seconds)) == pytest.approx(seconds - MARGIN_SECONDS, abs=0.1)


def test_unexpected_exception_becomes_an_internal_error() -> None:
    boundary = Boundary(KeyError("a secret prompt"))
    with pytest.raises(InternalError, match="KeyError"):
        boundary.invoke({}, LocalContext())
    logged = boundary.log.getvalue()
    assert "secret" not in logged
    assert "_serve" in logged, "the log names the place"


def test_error_of_the_contract_is_raised_unchanged() -> None:
    error = RateLimitedError("Wait.")
    with pytest.raises(RateLimitedError) as raised:
        Boundary(error).invoke({}, LocalContext())
    assert raised.value is error


@pytest.mark.parametrize("error", [RateLimitedError("Wait."), RecursionError()])
def test_http_function_responds_with_the_error(error: Exception) -> None:
    def respond(error: GenerateImageError) -> str:
        return error.code

    boundary = Boundary(error, respond)
    assert boundary.invoke({}, LocalContext()) in ("RateLimitedError", "InternalError")
    assert "request failed" in boundary.log.getvalue()


def test_invocation_starts_without_the_keys_of_the_last() -> None:
    log_stream = StringIO()
    log = Log(f"boundary {uuid4()}", log_stream)
    log.start_invocation("first")
    log.bind(client_id="1", image_id="image of the first")
    log.start_invocation("second")
    log.picture_stored(StoredPicture("key", "image/png", 0), "gpt-image-2")
    assert "image of the first" not in log_stream.getvalue()


def test_wrong_settings_are_reported_by_the_entry_point(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    handler = entry_point(generate_image.build, service="generate-image")
    with pytest.raises(ConfigurationError, match="IMAGE_BUCKET must be"):
        handler({}, LocalContext())
    assert "ConfigurationError" in capsys.readouterr().out


@pytest.mark.parametrize("custom", [None, [], "text", {}, {"answer_bytes": "ten"}, {"answer_bytes": "9" * 5000}])
def test_odd_client_context_is_ignored(custom: object) -> None:
    context = cast("LambdaContext", SimpleNamespace(client_context=SimpleNamespace(custom=custom)))
    assert generate_image.answer_bytes(context) == 6 * 1024 * 1024


def test_client_context_lowers_the_limit_of_the_answer() -> None:
    assert generate_image.answer_bytes(LocalContext(answer_bytes=262_144)) == 262_144
