"""The artifact, built once, and execution environments that run it."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from local.account import Account
from local.emulator import ROOT, Emulator
from local.openai_stand_in import StandIn
from tests.artifact.build import build, locked, make


@pytest.fixture(scope="session")
def artifact() -> Path:
    """The directory that Lambda mounts as /var/task, built for this machine's architecture."""
    return build() / "GenerateImageFunction"


Start = Callable[..., Emulator]
"""Starts an execution environment of a function in the account of the test: ``start`` below."""


@pytest.fixture
def start(artifact: Path, account: Account, stand_in: StandIn, tmp_path: Path) -> Iterator[Start]:
    if sys.platform != "linux":
        pytest.skip("AWS's emulator is a program for Linux")
    with locked("runtime-client"):
        make(".venv-runtime-client/.installed")
    account.create_secret({"apiKey": stand_in.api_key})
    settings = account.aws_environ | account.settings | {"OPENAI_BASE_URL": stand_in.base_url, "AWS_SAM_LOCAL": "true"}
    with ExitStack() as stack:

        def start(function: str = "generate_image", *, seconds: int = 60, **environ: str) -> Emulator:
            """function: its module. seconds: its timeout. environ: more environment variables."""
            emulator = Emulator(
                artifact,
                ROOT / ".venv-runtime-client/bin/python",
                handler=f"generate_image.functions.{function}.handler",
                environ=settings | environ,
                seconds=seconds,
                log=tmp_path / f"{len(list(tmp_path.iterdir()))}.log",
            )
            return stack.enter_context(emulator)

        yield start
