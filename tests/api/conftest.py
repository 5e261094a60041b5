"""The API with the state machine behind it, and the API that buys in place."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from io import StringIO

import pytest

from local.account import Account
from local.http_api import gateway, http_api
from local.openai_stand_in import StandIn
from local.step_functions_gaps import Function
from tests.api.http_client import HttpClient

Start = Callable[..., HttpClient]


def _pause(_: float) -> None:
    time.sleep(0.01)  # a state machine's pauses, shorter


@pytest.fixture
def start_api(account: Account, stand_in: StandIn, capsys: pytest.CaptureFixture[str]) -> Iterator[Start]:
    """Start the API: ``buys`` in the place of the function that buys, ``in_place`` without a state machine."""
    account.create_secret({"apiKey": stand_in.api_key})
    with ExitStack() as stack:
        clients = []

        def start(*, in_place: bool = False, buys: Function | None = None, **settings: str) -> HttpClient:
            log = StringIO()
            environ = account.settings | {"OPENAI_BASE_URL": stand_in.base_url} | settings
            served = http_api(account, environ, log, sleep=_pause, buys=buys)
            served_by = gateway(account, environ, log) if in_place else stack.enter_context(served)
            clients.append(HttpClient(served_by, account, stand_in, log))
            return clients[-1]

        yield start
        metrics = capsys.readouterr().out
        for client in clients:
            client.assert_nothing_leaked(metrics)


@pytest.fixture
def api(start_api: Start) -> HttpClient:
    return start_api()
