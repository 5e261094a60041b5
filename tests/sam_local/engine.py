"""The container engine that these tests need."""

import os

import pytest

from local.container_engine import Engine, NoEngineError, find_engine

REQUIRED = "REQUIRE_CONTAINER_ENGINE"
"""Set to 1 where there must be an engine: then a test without one fails."""


def needed_engine() -> Engine:
    """Return the engine; where there is none, skip the test, or fail it where there must be one."""
    try:
        return find_engine(os.environ)
    except NoEngineError as error:
        if os.environ.get(REQUIRED) == "1":
            pytest.fail(f"{REQUIRED} is 1. {error}", pytrace=False)
        pytest.skip(str(error))
