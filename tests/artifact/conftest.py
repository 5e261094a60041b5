"""The artifact, built once, and execution environments that run it."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from local.account import Account
from local.openai_stand_in import StandIn
from tests.artifact.build import FUNCTION, ROOT, build, make
from tests.artifact.emulator import Emulator
from tests.template.stack import deploy


@pytest.fixture(scope="session")
def artifact() -> Path:
    """The directory that Lambda gets as /var/task, built for this machine's architecture."""
    return build()


@pytest.fixture(scope="session")
def runtime_client() -> Path:
    """A Python 3.13 that has AWS's runtime client and nothing else."""
    make(".venv-runtime-client/.installed")
    return ROOT / ".venv-runtime-client/bin/python"


class Environments:
    """Makes execution environments of the template's functions in the account of the test."""

    def __init__(self, stack: ExitStack, artifact: Path, python: Path, account: Account, stand_in: StandIn) -> None:
        self._stack = stack
        self._artifact = artifact
        self._python = python
        self._settings = account.aws_environ | account.settings | {"OPENAI_BASE_URL": stand_in.base_url}

    def new(self, log: Path, *, name: str = FUNCTION, seconds: int | None = None, **environ: str) -> Emulator:
        """Start one. seconds: another time-out than the template's. environ: variables besides the template's."""
        function = deploy().properties(name)
        emulator = Emulator(
            self._artifact,
            self._python,
            handler=function["Handler"],
            environ=function["Environment"]["Variables"] | self._settings | environ,
            seconds=seconds or function["Timeout"],
            log=log,
        )
        return self._stack.enter_context(emulator)


@pytest.fixture
def environments(artifact: Path, runtime_client: Path, account: Account, stand_in: StandIn) -> Iterator[Environments]:
    account.create_secret({"apiKey": stand_in.api_key})
    with ExitStack() as stack:
        yield Environments(stack, artifact, runtime_client, account, stand_in)
