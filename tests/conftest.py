"""The account and the provider that tests share: real servers on this machine, emptied for each test."""

from collections.abc import Iterator

import pytest

from local.account import Account, local_account
from local.openai_stand_in import StandIn
from tests.module import Module


@pytest.fixture(scope="session")
def running_account() -> Iterator[Account]:
    with local_account() as account:
        yield account


@pytest.fixture
def account(running_account: Account) -> Account:
    """An account with an empty bucket and no secret."""
    running_account.empty()
    running_account.create_bucket()
    return running_account


@pytest.fixture(scope="session")
def running_stand_in() -> Iterator[StandIn]:
    with StandIn() as stand_in:
        yield stand_in


@pytest.fixture
def stand_in(running_stand_in: StandIn) -> StandIn:
    running_stand_in.reset()
    return running_stand_in


@pytest.fixture
def module(account: Account, stand_in: StandIn, caplog: pytest.LogCaptureFixture) -> Iterator[Module]:
    """The module with the shared credential; what was logged is searched for keys and prompts when the test is over.

    By anybody: Lambda keeps what libraries log too, from warnings on.
    """
    account.create_secret({"apiKey": stand_in.api_key})
    module = Module(account, stand_in)
    yield module
    module.assert_nothing_leaked("".join(record.getMessage() for record in caplog.get_records("call")))
