"""What is sent again within one call, and when: over real connections, in a time that passes by waiting alone."""

import math
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from email.utils import formatdate
from itertools import chain, cycle, repeat

import pytest

from generate_image.credentials import Credentials
from generate_image.deadline import Deadline
from generate_image.errors import GenerateImageError, OutcomeUnknownError, ProviderUnavailableError, RateLimitedError
from generate_image.openai_images import ATTEMPTS, BACKOFF_SECONDS, LONGEST_WAIT_SECONDS, ImagesApi, Purchase
from local.openai_stand_in import StandIn
from local.openai_stand_in.faults import CATALOGUE
from tests.bought_once.faults import Kind
from tests.bought_once.provider import CountingProvider
from tests.bought_once.world import Clock

SILENT = ("closed_before_billing", "closed_after_billing", "reset_after_billing", "body_truncated")
GATEWAYS = tuple(name for name in CATALOGUE if name.startswith("gateway_"))
MONEY = (
    "billing_hard_limit_reached",
    "insufficient_quota",
    "credit_balance_exhausted",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
)


class Buyer:
    """Buys one picture; its sleep makes time pass, and its dice fall as they are told."""

    def __init__(
        self, base_url: str, *, dice: Sequence[float] = (0.5,), seconds: float = 60, shortest: float = 6
    ) -> None:
        self.clock = Clock()
        self.clock.now = math.floor(time.time())  # a Retry-After that is a date is told by the provider's true clock
        self.waits: list[float] = []
        self.meanwhile: Callable[[], object] = lambda: None
        faces = cycle(dice)
        self._api = ImagesApi(
            ["gpt-image-2.6-flare"],
            "medium",
            base_url,
            clock=self.clock,
            sleep=self._sleep,
            random=lambda: next(faces),
            shortest_purchase_seconds=shortest,
        )
        self._deadline = Deadline(self.clock.now + seconds, self.clock)

    def buy(self, api_key: str = "sk-stand-in") -> Purchase:
        return self._api.buy("a cat", Credentials(api_key), self._deadline)

    def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.clock.pass_by(seconds)
        self.meanwhile()


@pytest.fixture
def provider() -> Iterator[CountingProvider]:
    with CountingProvider() as provider:
        yield provider


@pytest.mark.parametrize("fault", ["rate_limit_exceeded", "slow_down", "server_error", "server_is_overloaded"])
def test_what_surely_bought_nothing_is_sent_again(stand_in: StandIn, fault: str) -> None:
    stand_in.script(fault, times=ATTEMPTS - 1)
    buyer = Buyer(stand_in.base_url)
    assert buyer.buy().content
    assert len(buyer.waits) == ATTEMPTS - 1
    assert stand_in.ledger()["requests"] == ATTEMPTS
    assert stand_in.ledger()["billed"] == 1


@pytest.mark.parametrize("fault", ["rate_limit_exceeded", "server_error"])
def test_it_is_sent_again_a_few_times_only(stand_in: StandIn, fault: str) -> None:
    stand_in.script(fault, times="always")
    with pytest.raises((RateLimitedError, ProviderUnavailableError)):
        Buyer(stand_in.base_url).buy()
    assert stand_in.ledger()["requests"] == ATTEMPTS


@pytest.mark.parametrize("fault", [*SILENT, *GATEWAYS])
def test_what_may_have_bought_is_never_sent_again(stand_in: StandIn, fault: str) -> None:
    stand_in.script(fault)
    with pytest.raises(OutcomeUnknownError):
        Buyer(stand_in.base_url).buy()
    assert stand_in.ledger()["requests"] == 1


def test_a_time_out_is_never_sent_again(stand_in: StandIn) -> None:
    stand_in.script("delay", delay=30)
    with pytest.raises(OutcomeUnknownError):
        Buyer(stand_in.base_url, seconds=0.5, shortest=0.1).buy()
    assert stand_in.ledger()["requests"] == 1


@pytest.mark.parametrize("fault", MONEY)
def test_want_of_money_is_never_sent_again(stand_in: StandIn, fault: str) -> None:
    stand_in.script(fault)
    with pytest.raises(GenerateImageError, match="no money or quota"):
        Buyer(stand_in.base_url).buy()
    assert stand_in.ledger()["requests"] == 1


def test_what_cannot_be_sent_is_tried_a_few_times(provider: CountingProvider) -> None:
    buyer = Buyer(provider.refusing_url)
    with pytest.raises(ProviderUnavailableError):
        buyer.buy()
    assert len(buyer.waits) == ATTEMPTS - 1


def test_what_could_not_be_sent_is_sent_once_the_provider_listens() -> None:
    with socket.socket() as listener, ExitStack() as running:
        listener.bind(("127.0.0.1", 0))
        provider = CountingProvider(listener)
        buyer = Buyer(provider.base_url)
        buyer.meanwhile = lambda: running.enter_context(provider)
        assert buyer.buy().content
    assert len(buyer.waits) == len(provider.billed) == 1


@pytest.mark.parametrize(("form", "asked"), [("seconds", 3), ("milliseconds", 0.25), ("date", 5)])
def test_retry_after_is_obeyed_in_every_form(stand_in: StandIn, form: str, asked: float) -> None:
    stand_in.script("rate_limit_exceeded", retry_after=asked, retry_after_form=form)
    buyer = Buyer(stand_in.base_url, dice=[0.5])
    buyer.buy()
    [wait] = buyer.waits
    jitter = 0.5 * BACKOFF_SECONDS
    if form == "date":  # in whole seconds, and the stand-in's clock goes on
        assert asked - 1 + jitter <= wait
    else:
        assert wait == pytest.approx(asked + jitter)


def test_a_date_that_has_passed_asks_for_no_wait(stand_in: StandIn) -> None:
    stand_in.script("rate_limit_exceeded", headers={"Retry-After": formatdate(0, usegmt=True)})
    buyer = Buyer(stand_in.base_url, dice=[0])
    buyer.buy()
    assert buyer.waits == [0]


def test_no_two_callers_wait_the_same_time_and_each_try_waits_longer(stand_in: StandIn) -> None:
    for dice in ([0.25], [0.75]):
        stand_in.script("server_error", times=2)
        buyer = Buyer(stand_in.base_url, dice=dice)
        buyer.buy()
        assert buyer.waits == [dice[0] * BACKOFF_SECONDS, dice[0] * BACKOFF_SECONDS * 2]


@pytest.mark.parametrize("asked", [LONGEST_WAIT_SECONDS + 1, 100_000])
def test_a_long_wait_is_left_to_the_caller(stand_in: StandIn, asked: float) -> None:
    stand_in.script("rate_limit_exceeded", retry_after=asked)
    buyer = Buyer(stand_in.base_url, seconds=1_000)
    with pytest.raises(RateLimitedError) as raised:
        buyer.buy()
    assert raised.value.retry_after == asked
    assert buyer.waits == []


def test_no_try_begins_that_could_not_end_in_time(stand_in: StandIn) -> None:
    stand_in.script("rate_limit_exceeded", retry_after=10)
    buyer = Buyer(stand_in.base_url, seconds=15)  # 10 of waiting and 6 of drawing
    with pytest.raises(RateLimitedError):
        buyer.buy()
    assert buyer.waits == []
    assert stand_in.ledger()["requests"] == 1


def test_too_little_time_buys_nothing(stand_in: StandIn) -> None:
    with pytest.raises(ProviderUnavailableError):
        Buyer(stand_in.base_url, seconds=5).buy()
    assert stand_in.ledger()["requests"] == 0


def test_after_a_sure_failure_an_unknown_one_ends_it(provider: CountingProvider) -> None:
    kinds = chain([Kind.ERROR, Kind.LOST], repeat(None))
    provider.begin(lambda _: next(kinds), by_url=False)
    with pytest.raises(OutcomeUnknownError):
        Buyer(provider.base_url).buy()
    assert len(provider.billed) == 1
