"""The account and the provider that tests share: real servers on this machine, emptied for each test.

The imports are inside the fixtures, because unit tests need none of these servers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.account import Account
    from local.openai_stand_in import StandIn
    from tests.module import Module


@pytest.fixture(scope="session")
def running_account() -> Iterator[Account]:
    from local.account import local_account  # noqa: PLC0415

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
    from local.openai_stand_in import StandIn  # noqa: PLC0415

    with StandIn() as stand_in:
        yield stand_in


@pytest.fixture
def stand_in(running_stand_in: StandIn) -> StandIn:
    running_stand_in.reset()
    return running_stand_in


@pytest.fixture
def module(account: Account, stand_in: StandIn, caplog: pytest.LogCaptureFixture) -> Iterator[Module]:
    """The generate function with a shared credential. After the test, no key and no prompt may be in any log.

    Lambda also keeps the warnings of libraries, so those are searched too.
    """
    from tests.module import Module  # noqa: PLC0415

    account.create_secret({"apiKey": stand_in.api_key})
    module = Module(account, stand_in)
    yield module
    module.assert_nothing_leaked("".join(record.getMessage() for record in caplog.get_records("call")))
