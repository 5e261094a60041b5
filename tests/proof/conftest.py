"""The provider of the schedules."""

from collections.abc import Iterator

import pytest

from tests.proof.provider import CountingProvider


@pytest.fixture(scope="session")
def provider() -> Iterator[CountingProvider]:
    with CountingProvider() as provider:
        yield provider
