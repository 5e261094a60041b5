"""The providers of the schedules and the output of the proofs."""

from collections.abc import Callable, Iterator

import pytest

from tests.proof.provider import BatchProvider, CountingProvider


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
