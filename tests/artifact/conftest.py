"""The artifact, built once, and execution environments that run it."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from local.account import Account
from local.emulator import ROOT, Emulator
from local.openai_stand_in import StandIn
from tests.artifact.build import build, handlers, locked, make


@pytest.fixture(scope="session")
def artifact() -> Path:
    """The directory that Lambda mounts as /var/task, built for this machine's architecture."""
    return build() / "GenerateImageFunction"


@pytest.fixture(scope="session")
def runtime_client() -> Path:
    """A Python 3.13 that has only AWS's runtime client."""
    with locked("runtime-client"):
        make(".venv-runtime-client/.installed")
    return ROOT / ".venv-runtime-client/bin/python"


class Environments:
    """Makes execution environments of the template's functions in the account of the test."""

    def __init__(self, stack: ExitStack, artifact: Path, python: Path, account: Account, stand_in: StandIn) -> None:
        self._stack = stack
        self._artifact = artifact
        self._python = python
        self._settings = account.aws_environ | account.settings | {"OPENAI_BASE_URL": stand_in.base_url}

    def new(self, log: Path, name: str = "GenerateImageFunction", *, seconds: int = 60, **environ: str) -> Emulator:
        """Start one. seconds: its timeout. environ: more environment variables."""
        emulator = Emulator(
            self._artifact,
            self._python,
            handler=handlers()[name],
            environ={"AWS_SAM_LOCAL": "true", **self._settings, **environ},
            seconds=seconds,
            log=log,
        )
        return self._stack.enter_context(emulator)


@pytest.fixture
def environments(artifact: Path, runtime_client: Path, account: Account, stand_in: StandIn) -> Iterator[Environments]:
    account.create_secret({"apiKey": stand_in.api_key})
    with ExitStack() as stack:
        yield Environments(stack, artifact, runtime_client, account, stand_in)
