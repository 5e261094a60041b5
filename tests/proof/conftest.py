"""The providers of the schedules, the account of the processes, and the output of the proofs."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from local.account import Account
from local.loopback import serving
from tests.proof.batch_provider import BatchProvider
from tests.proof.provider import CountingProvider

WAITING_CONNECTIONS = 1024


@pytest.fixture(scope="session")
def provider() -> Iterator[CountingProvider]:
    with CountingProvider() as provider:
        yield provider


@pytest.fixture(scope="session")
def batches() -> Iterator[BatchProvider]:
    with BatchProvider() as provider:
        yield provider


@pytest.fixture
def show(capsys: pytest.CaptureFixture[str]) -> Callable[[object], None]:
    """Return a function that prints the figures of a proof."""

    def show(figures: object) -> None:
        with capsys.disabled():
            print(f"\n{figures}", end="")  # noqa: T201

    return show


@pytest.fixture
def atomic_account(account: Account) -> Iterator[Account]:
    """The account behind a server that serves one request at a time.

    S3 decides conditional writes one after the other. moto's threads check first and write later.
    """
    with serving(DomainDispatcherApplication(create_backend_app), 0, threaded=False) as server:
        server.socket.listen(WAITING_CONNECTIONS)
        yield replace(account, endpoint=f"http://127.0.0.1:{server.port}")
