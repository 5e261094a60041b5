"""Fixtures of the tests without a socket."""

import pytest

from tests.unit.stores import Stores


@pytest.fixture
def stores() -> Stores:
    return Stores()
