"""The state machines of the template, with the functions behind them."""

from collections.abc import Iterator

import pytest

from local.account import Account
from local.openai_stand_in import StandIn
from tests.machines import Machines

PROMPTS = ("Boat", "lighthouse")
"""In every prompt of the tests with machines."""


@pytest.fixture
def machines(account: Account, stand_in: StandIn) -> Iterator[Machines]:
    account.create_secret({"apiKey": stand_in.api_key})
    with Machines(account, stand_in).running() as running:
        yield running
    log = running.log.getvalue()
    assert [secret for secret in (stand_in.api_key, *PROMPTS) if secret in log] == []
