"""The API function that most tests call."""

import pytest

from tests.unit.http.world import World


@pytest.fixture
def world() -> World:
    return World()
