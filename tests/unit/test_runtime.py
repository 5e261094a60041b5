"""The boundary of every function: its log and the translation of its errors. tests/unit/http tests its deadline."""

from io import StringIO
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import pytest

from generate_image.errors import ConfigurationError, InternalError, RateLimitedError
from generate_image.functions import generate_image
from generate_image.functions._runtime import Environment, LambdaContext, Respond, Serve, entry_point, with_boundary
from generate_image.log import Log
from generate_image.settings import Settings
from local.lambda_context import LocalContext

LIMITED = RateLimitedError("Wait.")


def boundary(respond: Respond | None = None) -> tuple[Serve, StringIO]:
    """Return a function inside the boundary that raises its event, and its log."""
    stream = StringIO()
    log = Log(f"boundary {uuid4()}", stream)
    settings = Settings(image_bucket="pictures", image_namespace=UUID(int=0))

    def serve(event: Exception, _context: LambdaContext) -> None:
        if event is LIMITED:
            log.bind(client_id="1", image_id="image of the first")
        raise event

    return with_boundary(serve, Environment(settings=settings, log=log, clients=cast("Any", None)), respond), stream


def test_only_an_unexpected_exception_becomes_another_error() -> None:
    function, log = boundary()
    with pytest.raises(RateLimitedError) as raised:
        function(LIMITED, LocalContext())
    assert raised.value is LIMITED
    with pytest.raises(InternalError, match="KeyError"):
        function(KeyError("a secret prompt"), LocalContext())
    assert "secret" not in log.getvalue()
    assert "serve (" in log.getvalue(), "the log names the place"


def test_http_function_responds_and_drops_the_keys_of_its_log() -> None:
    function, log = boundary(lambda error: error.code)
    codes = [function(error, LocalContext()) for error in (LIMITED, RecursionError())]
    first, *_, last = log.getvalue().splitlines()
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


def test_only_a_number_of_bytes_lowers_the_limit_of_the_answer() -> None:
    assert generate_image.answer_bytes(LocalContext(answer_bytes=262_144)) == 262_144
    invalid: list[object] = [None, [], {}, {"answer_bytes": "ten"}, {"answer_bytes": "9" * 5000}]
    for custom in invalid:
        context = cast("LambdaContext", SimpleNamespace(client_context=SimpleNamespace(custom=custom)))
        assert generate_image.answer_bytes(context) == 6 * 1024 * 1024
