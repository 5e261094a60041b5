"""The boundary of every function: its deadline, its log, and the translation of its errors."""

from io import StringIO
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import pytest

from generate_image.errors import ConfigurationError, InternalError, RateLimitedError
from generate_image.functions import generate_image
from generate_image.functions._runtime import (
    MARGIN_SECONDS,
    Environment,
    LambdaContext,
    Respond,
    entry_point,
    with_boundary,
)
from generate_image.log import Log
from generate_image.settings import Settings
from local.lambda_context import LocalContext
from tests.memory_s3 import Clock

LIMITED = RateLimitedError("Wait.")


class Boundary:
    """A function inside the boundary. Its event is an error to raise; None: it returns the seconds that are left."""

    def __init__(self, respond: Respond | None = None) -> None:
        self.log = StringIO()
        environment = Environment(
            settings=Settings(image_bucket="pictures", image_namespace=UUID(int=0)),
            log=Log(f"boundary {uuid4()}", self.log),
            clients=cast("Any", None),
            clock=Clock(),
        )

        def serve(event: Exception | None, _context: LambdaContext) -> float:
            if event is LIMITED:
                environment.log.bind(client_id="1", image_id="image of the first")
            if event:
                raise event
            return environment.deadline.remaining()

        self.invoke = with_boundary(serve, environment, respond)


def test_deadline_is_a_margin_before_the_timeout() -> None:
    assert Boundary().invoke(None, LocalContext(60)) == pytest.approx(60 - MARGIN_SECONDS, abs=0.1)


def test_unexpected_exception_becomes_an_internal_error() -> None:
    boundary = Boundary()
    with pytest.raises(InternalError, match="KeyError"):
        boundary.invoke(KeyError("a secret prompt"), LocalContext())
    assert "secret" not in boundary.log.getvalue()
    assert "serve (" in boundary.log.getvalue(), "the log names the place"


def test_error_of_the_contract_is_raised_unchanged() -> None:
    with pytest.raises(RateLimitedError) as raised:
        Boundary().invoke(LIMITED, LocalContext())
    assert raised.value is LIMITED


def test_http_function_responds_and_drops_the_keys_of_its_log() -> None:
    boundary = Boundary(lambda error: error.code)
    codes = [boundary.invoke(error, LocalContext()) for error in (LIMITED, RecursionError())]
    first, *_, last = boundary.log.getvalue().splitlines()
    assert codes == ["RateLimitedError", "InternalError"]
    assert ("request failed" in first, "image of the first" in first) == (True, True)
    assert ("request failed" in last, "image of the first" in last) == (True, False)


def test_wrong_settings_are_reported_by_the_entry_point(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("IMAGE_BUCKET", raising=False)
    handler = entry_point(generate_image.build, service="generate-image")
    with pytest.raises(ConfigurationError, match="IMAGE_BUCKET must be"):
        handler({}, LocalContext())
    assert "ConfigurationError" in capsys.readouterr().out


@pytest.mark.parametrize("custom", [None, [], {}, {"answer_bytes": "ten"}, {"answer_bytes": "9" * 5000}])
def test_odd_client_context_is_ignored(custom: object) -> None:
    context = cast("LambdaContext", SimpleNamespace(client_context=SimpleNamespace(custom=custom)))
    assert generate_image.answer_bytes(context) == 6 * 1024 * 1024


def test_client_context_lowers_the_limit_of_the_answer() -> None:
    assert generate_image.answer_bytes(LocalContext(answer_bytes=262_144)) == 262_144
