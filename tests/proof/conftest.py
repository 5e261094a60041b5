"""The provider of the schedules, and the account of the processes."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from threading import Thread

import pytest
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from local.account import Account
from tests.proof.provider import CountingProvider

WAITING_CONNECTIONS = 1024


@pytest.fixture(scope="session")
def provider() -> Iterator[CountingProvider]:
    with CountingProvider() as provider:
        yield provider


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
