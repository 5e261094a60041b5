"""The container engine of these tests."""

import os

import pytest

from local.container_engine import Engine, find_engine
from local.terminal import CommandError


@pytest.fixture
def engine() -> Engine:
    try:
        return find_engine(os.environ)
    except CommandError as error:
        pytest.skip(f"{error} Start one, then: make test-all")
