"""Purchases over real connections: the request, its connection, its response, its retries and its models."""

import json
import re
import socket
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import pytest

from generate_image.credentials import Credentials
from generate_image.deadline import Deadline
from generate_image.errors import (
    ModelUnavailableError,
    OutcomeUnknownError,
    ProviderResponseError,
    ProviderUnavailableError,
    RateLimitedError,
)
from generate_image.options import NO_OPTIONS, Options
from generate_image.picture import LARGEST_BYTES, BoughtPicture, Usage
from generate_image.provider.images_api import ATTEMPTS, MISSING_SECONDS, ImagesApi, Purchase
from generate_image.provider.models import request_parameters
from generate_image.settings import Settings
from tests.memory_s3 import Clock
from tests.provider_server import (
    PICTURE,
    ProviderServer,
    Request,
    Responder,
    picture,
    picture_document,
    refuse,
    respond,
    without,
    write,
)

FIRST, SECOND = "gpt-image-2.6-flare", "gpt-image-2"
KEY = Credentials("sk-one")
RESERVE_SECONDS = 20
LIMITED = refuse(429, "rate_limit_exceeded")
OVERLOADED = refuse(503, "server_is_overloaded")
TRUNCATED = write(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{")


class Buyer:
    """Buys pictures with a clock of its own, on which only its sleep takes time."""

    def __init__(self, base_url: str, *models: str, seconds: float = 60) -> None:
        """seconds: left for a purchase."""
        self.clock = Clock()
        self.waits: list[float] = []
        settings = Settings(
            image_bucket="pictures",
            image_namespace=UUID(int=0),
            image_models=models or (FIRST,),
            openai_base_url=base_url,
        )
        deadline = Deadline(self.clock)
        deadline.start(RESERVE_SECONDS + seconds)
        self._api = ImagesApi(
            settings, deadline, clock=self.clock, sleep=self._sleep, random=lambda: 0.5, reserve_seconds=RESERVE_SECONDS
        )

    def buy(self, key: Credentials = KEY, prompt: str = "a lighthouse", options: Options = NO_OPTIONS) -> Purchase:
        return self._api.buy(prompt, key, options)

    def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.clock.pass_by(seconds)


def after(seconds: str) -> Responder:
    return refuse(429, "rate_limit_exceeded", Retry_After=seconds)


def after_interim_responses(connection: socket.socket, request: Request) -> None:
    connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n")
    connection.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 3\r\n\r\n")
    picture()(connection, request)


def test_request_and_purchase_have_all_facts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The credentials choose the host, and a ``.netrc`` file does not replace the key."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with ProviderServer(picture()) as server:
        key = Credentials("sk-one", server.base_url, organization="org-1", project="proj_1")
        bought = Buyer("https://nowhere.invalid/v1").buy(key)
    assert bought == Purchase(BoughtPicture(FIRST, "req_1", Usage(9, 439, 448), 0.0132, None), 0, PICTURE)
    [request] = server.requests
    assert (request.method, request.path) == ("POST", "/v1/images/generations")
    assert json.loads(request.body) == request_parameters(FIRST, "a lighthouse", "medium")
    expected = {"authorization": "Bearer sk-one", "openai-organization": "org-1", "openai-project": "proj_1"}
    expected |= {"content-type": "application/json", "connection": "close", "user-agent": "generate-image/2.1"}
    assert request.headers.items() >= expected.items()


def test_largest_picture_is_bought_beside_the_longest_prompt() -> None:
    largest = PICTURE.ljust(LARGEST_BYTES, b"\0")
    with ProviderServer(respond(200, picture_document(largest) | {"revised_prompt": "\0" * 32_000})) as server:
        assert Buyer(server.base_url).buy().content == largest


@pytest.mark.parametrize(
    ("body", "why"),
    [(b" " * (LARGEST_BYTES * 3 // 2), "no picture is that large"), ({"data": []}, "contains no picture")],
    ids=["larger than any picture", "without a picture"],
)
def test_unusable_success_may_be_billed(body: object, why: str) -> None:
    server = ProviderServer(respond(200, body, x_request_id="req_7"))
    with server, pytest.raises(ProviderResponseError, match=f"{why}.* It may be billed") as raised:
        Buyer(server.base_url).buy()
    assert raised.value.provider_request_id == "req_7"
    assert len(server.requests) == 1


def test_failed_connection_buys_nothing_and_names_the_host() -> None:
    with ProviderServer(picture()) as plain, closing(ProviderServer()) as closed:
        for url in (closed.base_url, plain.base_url.replace("http", "https"), "https://a..b/v1"):
            buyer = Buyer(url)
            host = re.escape(urlsplit(url).netloc)
            with pytest.raises(ProviderUnavailableError, match=f"No connection to {host} .* nothing was bought"):
                buyer.buy()
            assert len(buyer.waits) == ATTEMPTS - 1
    assert plain.requests == []


@pytest.mark.parametrize(
    ("responders", "seconds", "waits", "error"),
    [
        pytest.param([LIMITED, OVERLOADED, picture()], 60, [0.25, 0.5], None, id="not billed"),
        pytest.param([OVERLOADED], 60, [0.25, 0.5], ProviderUnavailableError, id="three attempts"),
        pytest.param([after("3"), picture()], 60, [3.25], None, id="Retry-After"),
        pytest.param([after("19.75"), picture()], 60, [20.0], None, id="longest wait"),
        pytest.param([after("19.76")], 1_000_000, [], RateLimitedError, id="a wait for the caller"),
        pytest.param([after("10"), picture()], 16.25, [10.25], None, id="six seconds left after the wait"),
        pytest.param([after("10")], 16.24, [], RateLimitedError, id="fewer left after the wait"),
        pytest.param([write(b"")], 60, [], OutcomeUnknownError, id="closed"),
        pytest.param([TRUNCATED], 60, [], OutcomeUnknownError, id="truncated"),
        pytest.param([respond(307, b"", Location="/elsewhere")], 60, [], OutcomeUnknownError, id="redirect"),
        pytest.param([OVERLOADED, respond(504, b"")], 60, [0.25], OutcomeUnknownError, id="504"),
        pytest.param([after_interim_responses], 60, [], None, id="interim responses"),
    ],
)
def test_only_an_unbilled_failure_is_retried(
    responders: Sequence[Responder], seconds: float, waits: Sequence[float], error: type[Exception] | None
) -> None:
    with ProviderServer(*responders) as server, ExitStack() as expected:
        buyer = Buyer(server.base_url, seconds=seconds)
        if error:
            expected.enter_context(pytest.raises(error))
        assert buyer.buy().content == PICTURE
    assert buyer.waits == waits
    assert server.connections == len(server.requests) == len(waits) + 1


def test_too_little_time_buys_nothing() -> None:
    with ProviderServer(picture()) as server, pytest.raises(ProviderUnavailableError, match="too little time"):
        Buyer(server.base_url, seconds=5.99).buy()
    assert server.connections == 0


def test_missing_model_of_a_key_is_skipped_for_an_hour() -> None:
    with ProviderServer(without(FIRST)) as server:
        buyer = Buyer(server.base_url, FIRST, SECOND, seconds=2 * MISSING_SECONDS)
        for seconds in (0, MISSING_SECONDS - 1, 1):
            buyer.clock.pass_by(seconds)
            assert buyer.buy().picture.model == SECOND
        buyer.buy(Credentials("sk-two"))
    models = [request.model for request in server.requests]
    assert models == [FIRST, SECOND, SECOND, FIRST, SECOND, FIRST, SECOND]


def test_no_model_left_is_an_error_and_forgotten() -> None:
    with ProviderServer(without(SECOND)) as server:
        buyer = Buyer(server.base_url, SECOND, "dall-e-3")
        skipped = f"the models {SECOND}; dall-e-3 takes no prompt of 4001 .* IMAGE_MODELS"
        for _ in range(2):
            with pytest.raises(ModelUnavailableError, match=skipped):
                buyer.buy(prompt="p" * 4_001)
        assert len(server.requests) == 2
        assert buyer.buy(prompt="p" * 4_000).picture.model == "dall-e-3"


def test_fallback_model_takes_the_options_or_is_skipped() -> None:
    with ProviderServer(without(FIRST)) as server:
        Buyer(server.base_url, FIRST, SECOND).buy(options={"quality": "max", "size": "2048x2048"})
        skipped = rf"none of the models {FIRST}; {SECOND} does not take background=transparent"
        for models in ((FIRST, SECOND), (SECOND, FIRST)):
            with pytest.raises(ModelUnavailableError, match=skipped):
                Buyer(server.base_url, *models).buy(options={"background": "transparent"})
    bodies = [json.loads(request.body) for request in server.requests]
    assert [(body["model"], body["quality"], body["size"]) for body in bodies] == [
        (FIRST, "max", "2048x2048"),
        (SECOND, "high", "2048x2048"),
        (FIRST, "medium", "1024x1024"),
        (FIRST, "medium", "1024x1024"),
    ]
