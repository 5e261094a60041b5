"""Which failed purchases are retried, and when."""

from contextlib import ExitStack

import pytest

from generate_image.errors import (
    OutcomeUnknownError,
    ProviderUnavailableError,
    RateLimitedError,
)
from generate_image.provider.images_api import ATTEMPTS, BACKOFF_SECONDS, LONGEST_WAIT_SECONDS
from tests.account.buyer import Buyer
from tests.provider_server import (
    PICTURE,
    ProviderServer,
    Responder,
    picture,
    refuse,
    respond,
    write,
)

LIMITED = refuse(429, "rate_limit_exceeded")
OVERLOADED = refuse(503, "server_is_overloaded")


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
    for before in ([], [OVERLOADED]):
        with ProviderServer(*before, responder) as server, pytest.raises(OutcomeUnknownError):
            Buyer(server.base_url).buy()
        assert len(server.requests) == len(before) + 1


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
