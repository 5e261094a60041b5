"""The providers of the schedules, the account of the processes, and the output of the proofs."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from threading import Thread

import pytest
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from local.account import Account
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
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=False)
    server.socket.listen(WAITING_CONNECTIONS)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield replace(account, endpoint=f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    thread.join()
    server.server_close()
