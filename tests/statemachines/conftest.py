from collections.abc import Iterator

import pytest

from local.account import Account
from local.openai_stand_in import StandIn
from tests.statemachines.flow import Flow


@pytest.fixture
def flow(account: Account, stand_in: StandIn) -> Iterator[Flow]:
    """Both state machines with the module behind them, and the shared credential."""
    account.create_secret({"apiKey": stand_in.api_key})
    with Flow(account, stand_in).open() as flow:
        yield flow
