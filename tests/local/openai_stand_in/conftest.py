from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest
import requests

from local.openai_stand_in import StandIn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="module")
def running() -> Iterator[StandIn]:
    with StandIn(today=date(2026, 11, 22)) as stand_in:
        yield stand_in


@pytest.fixture
def stand_in(running: StandIn) -> StandIn:
    running.reset()
    return running


@pytest.fixture
def generate(stand_in: StandIn) -> Iterator[Callable[..., requests.Response]]:
    """Ask for a picture; a parameter that is `...` is left out of the request."""
    with requests.Session() as session:

        def ask(**parameters: object) -> requests.Response:
            document = {"model": "gpt-image-2.6-flare", "prompt": "a quiet lake", **parameters}
            return session.post(
                f"{stand_in.base_url}/images/generations",
                json={name: value for name, value in document.items() if value is not ...},
                headers={"Authorization": f"Bearer {stand_in.api_key}"},
                timeout=10,
            )

        yield ask
