"""One purchase over real connections: models, retries and the proof that nothing was billed."""

import json
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import cycle
from pathlib import Path
from uuid import UUID

import pytest

from generate_image.credentials import Credentials
from generate_image.deadline import Deadline
from generate_image.errors import (
    GenerateImageError,
    ModelUnavailableError,
    OutcomeUnknownError,
    ProviderResponseError,
    ProviderUnavailableError,
    RateLimitedError,
)
from generate_image.picture import BoughtPicture, Usage
from generate_image.provider.connection import LARGEST_RESPONSE_BYTES
from generate_image.provider.images_api import (
    ATTEMPTS,
    BACKOFF_SECONDS,
    LONGEST_WAIT_SECONDS,
    MISSING_SECONDS,
    ImagesApi,
    Purchase,
)
from generate_image.settings import Settings
from tests.account.provider_server import (
    PICTURE,
    Clock,
    ProviderServer,
    Request,
    Responder,
    picture,
    refuse,
    respond,
    write,
)

FIRST, SECOND = "gpt-image-2.6-flare", "gpt-image-2"
KEY = Credentials("sk-one")
LIMITED = refuse(429, "rate_limit_exceeded")
OVERLOADED = refuse(503, "server_is_overloaded")


class Buyer:
    """Buys pictures with a clock of its own, on which only its sleep takes time."""

    def __init__(
        self,
        base_url: str,
        *models: str,
        random: Sequence[float] = (0.5,),
        seconds: float = 80,
        quality: str = "medium",
    ) -> None:
        self.clock = Clock()
        self.waits: list[float] = []
        self.while_asleep: Callable[[], object] = lambda: None
        values = cycle(random)
        settings = Settings(
            image_bucket="pictures",
            image_namespace=UUID(int=0),
            image_models=models or (FIRST,),
            image_quality=quality,
            openai_base_url=base_url,
        )
        deadline = Deadline(self.clock)
        deadline.start(seconds)
        self._api = ImagesApi(
            settings,
            deadline,
            clock=self.clock,
            sleep=self._sleep,
            random=lambda: next(values),
            reserve_seconds=20,
            shortest_purchase_seconds=6,
        )

    def buy(self, credentials: Credentials = KEY, prompt: str = "a lighthouse") -> Purchase:
        return self._api.buy(prompt, credentials)

    def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.clock.pass_by(seconds)
        self.while_asleep()


def without(*missing: str) -> Responder:
    """Return a provider that does not have these models."""

    def responder(connection: socket.socket, request: Request) -> None:
        (refuse(404, "model_not_found") if request.model in missing else picture())(connection, request)

    return responder


def models_in(server: ProviderServer) -> list[str]:
    return [request.model for request in server.requests]


@contextmanager
def closed_port() -> Iterator[int]:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield int(bound.getsockname()[1])


def test_purchase_has_the_facts_of_the_response() -> None:
    with ProviderServer(picture()) as server:
        bought = Buyer(server.base_url).buy()
    assert bought == Purchase(BoughtPicture(FIRST, "req_1", Usage(9, 439, 448), 0.0132, None), 0, PICTURE)
    assert server.requests[0].path == "/v1/images/generations"
    assert server.requests[0].headers["authorization"] == "Bearer sk-one"


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        (FIRST, {"quality": "max", "output_format": "png"}),
        (SECOND, {"quality": "high", "output_format": "png"}),
        ("dall-e-3", {"quality": "standard", "response_format": "url"}),
    ],
)
def test_request_has_the_parameters_of_the_model(model: str, parameters: dict[str, str]) -> None:
    with ProviderServer(picture()) as server:
        Buyer(server.base_url, model, quality="max").buy()
    common = {"model": model, "prompt": "a lighthouse", "n": 1, "size": "1024x1024"}
    assert json.loads(server.requests[0].body) == common | parameters


def test_netrc_file_does_not_replace_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    credentials = Credentials("sk-one", organization="org-1", project="proj_1")
    with ProviderServer(picture()) as server:
        Buyer(server.base_url).buy(credentials)
    headers = server.requests[0].headers
    assert headers["authorization"] == "Bearer sk-one"
    assert (headers["openai-organization"], headers["openai-project"]) == ("org-1", "proj_1")


def test_each_purchase_has_its_own_connection() -> None:
    with ProviderServer(picture()) as server:
        buyer = Buyer(server.base_url)
        buyer.buy()
        buyer.buy()
    assert server.connections == len(server.requests) == 2
    assert {request.headers["connection"] for request in server.requests} == {"close"}


def test_redirect_is_not_followed() -> None:
    with ProviderServer(picture()) as other:
        redirect = respond(307, b"", Location=f"{other.base_url}/images/generations")
        with ProviderServer(redirect) as server, pytest.raises(OutcomeUnknownError, match="HTTP 307"):
            Buyer(server.base_url).buy()
    assert other.connections == 0


def test_interim_responses_are_skipped() -> None:
    def interim(connection: socket.socket, request: Request) -> None:
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n")
        connection.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 3\r\n\r\n")
        picture()(connection, request)

    with ProviderServer(interim) as server:
        assert Buyer(server.base_url).buy().content == PICTURE


def test_response_larger_than_any_picture_is_refused() -> None:
    content = b" " * (LARGEST_RESPONSE_BYTES + 1)
    with ProviderServer(respond(200, content)) as server, pytest.raises(ProviderResponseError, match="larg"):
        Buyer(server.base_url).buy()


def test_response_without_a_picture_is_refused() -> None:
    server = ProviderServer(respond(200, {"data": []}, x_request_id="req_7"))
    with server, pytest.raises(ProviderResponseError, match="It may be billed") as raised:
        Buyer(server.base_url).buy()
    assert raised.value.provider_request_id == "req_7"
    assert len(server.requests) == 1


@pytest.mark.parametrize("refusal", [LIMITED, OVERLOADED])
def test_unbilled_failure_is_retried(refusal: Responder) -> None:
    with ProviderServer(*[refusal] * (ATTEMPTS - 1), picture()) as server:
        buyer = Buyer(server.base_url)
        assert buyer.buy().content
    assert len(buyer.waits) == ATTEMPTS - 1


def test_retries_end_after_three_attempts() -> None:
    with ProviderServer(OVERLOADED) as server, pytest.raises(ProviderUnavailableError):
        Buyer(server.base_url).buy()
    assert len(server.requests) == ATTEMPTS


@pytest.mark.parametrize(
    "responder",
    [write(b""), write(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"), respond(502, b""), respond(504, b"")],
    ids=["closed", "truncated", "502", "504"],
)
def test_unknown_outcome_is_never_retried(responder: Responder) -> None:
    with ProviderServer(responder) as server, pytest.raises(OutcomeUnknownError):
        Buyer(server.base_url).buy()
    assert len(server.requests) == 1


def test_unknown_outcome_after_a_retry_ends_it() -> None:
    with ProviderServer(OVERLOADED, write(b"")) as server, pytest.raises(OutcomeUnknownError):
        Buyer(server.base_url).buy()
    assert len(server.requests) == 2


def test_exhausted_quota_is_never_retried() -> None:
    server = ProviderServer(refuse(429, "insufficient_quota"))
    with server, pytest.raises(GenerateImageError, match="no money or quota"):
        Buyer(server.base_url).buy()
    assert len(server.requests) == 1


def test_failed_connection_is_retried_and_names_the_host() -> None:
    with closed_port() as port:
        buyer = Buyer(f"http://127.0.0.1:{port}/v1")
        with pytest.raises(ProviderUnavailableError, match=rf"No connection to 127\.0\.0\.1:{port} could be made"):
            buyer.buy()
    assert len(buyer.waits) == ATTEMPTS - 1


def test_failed_tls_handshake_proves_that_nothing_was_sent() -> None:
    with ProviderServer(picture()) as server, pytest.raises(ProviderUnavailableError, match="nothing was bought"):
        Buyer(server.base_url.replace("http", "https")).buy()


def test_host_name_that_cannot_exist_is_unavailable() -> None:
    with pytest.raises(ProviderUnavailableError, match=r"to a\.\.b could"):
        Buyer("https://a..b/v1").buy()


def test_provider_that_comes_up_between_attempts_is_used() -> None:
    with ExitStack() as running:
        server = ProviderServer(picture())
        buyer = Buyer(server.base_url)
        buyer.while_asleep = lambda: running.enter_context(server)
        assert buyer.buy().content == PICTURE
    assert len(buyer.waits) == len(server.requests) == 1


@pytest.mark.parametrize(("headers", "seconds"), [({"Retry_After": "3"}, 3), ({"Retry_After_Ms": "250"}, 0.25)])
def test_retry_after_is_obeyed(headers: dict[str, str], seconds: float) -> None:
    with ProviderServer(refuse(429, "rate_limit_exceeded", **headers), picture()) as server:
        buyer = Buyer(server.base_url)
        buyer.buy()
    assert buyer.waits == [pytest.approx(seconds + 0.5 * BACKOFF_SECONDS)]


@pytest.mark.parametrize("value", [0.25, 0.75])
def test_each_wait_is_longer_and_has_jitter(value: float) -> None:
    with ProviderServer(OVERLOADED, OVERLOADED, picture()) as server:
        buyer = Buyer(server.base_url, random=[value])
        buyer.buy()
    assert buyer.waits == [value * BACKOFF_SECONDS, value * BACKOFF_SECONDS * 2]


@pytest.mark.parametrize("seconds", [LONGEST_WAIT_SECONDS + 1, 100_000])
def test_long_wait_is_left_to_the_caller(seconds: float) -> None:
    with ProviderServer(refuse(429, "rate_limit_exceeded", Retry_After=f"{seconds:.0f}")) as server:
        buyer = Buyer(server.base_url, seconds=1_000_000)
        with pytest.raises(RateLimitedError) as raised:
            buyer.buy()
    assert raised.value.retry_after == seconds
    assert buyer.waits == []


def test_attempt_that_cannot_end_in_time_is_not_started() -> None:
    with ProviderServer(refuse(429, "rate_limit_exceeded", Retry_After="10")) as server:
        buyer = Buyer(server.base_url, seconds=20 + 15)  # 10 seconds to wait and 6 to draw
        with pytest.raises(RateLimitedError):
            buyer.buy()
    assert buyer.waits == []
    assert len(server.requests) == 1


def test_too_little_time_buys_nothing() -> None:
    with ProviderServer(picture()) as server, pytest.raises(ProviderUnavailableError):
        Buyer(server.base_url, seconds=20 + 5).buy()
    assert server.connections == 0


def test_missing_model_is_skipped_for_an_hour() -> None:
    with ProviderServer(without(FIRST)) as server:
        buyer = Buyer(server.base_url, FIRST, SECOND, seconds=2 * MISSING_SECONDS)
        assert buyer.buy().picture.model == SECOND
        assert buyer.buy().picture.model == SECOND
        assert models_in(server) == [FIRST, SECOND, SECOND]
        buyer.clock.pass_by(MISSING_SECONDS)
        assert buyer.buy().picture.model == SECOND
    assert models_in(server)[3:] == [FIRST, SECOND]


def test_missing_model_of_one_key_is_used_with_another() -> None:
    with ProviderServer(refuse(404, "model_not_found"), picture()) as server:
        buyer = Buyer(server.base_url, FIRST, SECOND)
        assert buyer.buy().picture.model == SECOND
        assert buyer.buy(Credentials("sk-two")).picture.model == FIRST


def test_prompt_in_a_refusal_does_not_skip_the_model() -> None:
    message = "Invalid prompt: 'a model of a city that does not exist'"
    error = respond(400, {"error": {"message": message, "code": "invalid_value", "param": "prompt"}})
    with ProviderServer(error, picture()) as server:
        buyer = Buyer(server.base_url, FIRST, SECOND)
        with pytest.raises(GenerateImageError, match="refused the request"):
            buyer.buy()
        assert buyer.buy().picture.model == FIRST
    assert models_in(server) == [FIRST, FIRST]


def test_no_model_left_is_an_error_and_forgotten() -> None:
    with ProviderServer(without(FIRST, SECOND)) as server:
        buyer = Buyer(server.base_url, FIRST, SECOND)
        for _ in range(2):
            with pytest.raises(ModelUnavailableError, match=rf"{FIRST}, {SECOND}.*IMAGE_MODELS"):
                buyer.buy()
    assert models_in(server) == [FIRST, SECOND, FIRST, SECOND]


def test_long_prompt_skips_models_that_take_shorter_ones() -> None:
    with ProviderServer(picture()) as server:
        assert Buyer(server.base_url, "dall-e-3", SECOND).buy(prompt="p" * 4_001).picture.model == SECOND
    server = ProviderServer(without(SECOND))
    with server, pytest.raises(ModelUnavailableError, match="dall-e-3 takes no prompt of 4001 characters"):
        Buyer(server.base_url, SECOND, "dall-e-3").buy(prompt="p" * 4_001)


def test_dall_e_model_returns_a_url() -> None:
    url = "https://pictures.example/1.png"
    with ProviderServer(respond(200, {"data": [{"url": url}]})) as server:
        bought = Buyer(server.base_url, "dall-e-3").buy()
    assert bought == Purchase(BoughtPicture("dall-e-3", None, None, 0.04, url), 0, None)


def test_credentials_choose_the_host() -> None:
    with ProviderServer(picture()) as server:
        assert Buyer("https://nowhere.invalid/v1").buy(Credentials("sk-one", base_url=server.base_url)).content
