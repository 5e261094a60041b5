"""Calls of the generate function in processes of their own, and their outcomes."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from generate_image.lease import CLOCK_SKEW_SECONDS
from tests.module import Module

ROOT = Path(__file__).parents[2]
INVOCATION_SECONDS = 8.0
LATER = INVOCATION_SECONDS + CLOCK_SKEW_SECONDS + 1
"""Seconds until the lease of a killed invocation has expired."""


def outcomes_of(
    module: Module, calls: Sequence[Mapping[str, Any]], *, together: bool, seconds: float = INVOCATION_SECONDS
) -> list[dict[str, Any]]:
    """Make each call in its own process and return the outcomes."""
    job = {
        "account": module.account.endpoint,
        "settings": module.environ,
        "together": together,
        "seconds": seconds,
        "calls": [{"kill_after": None, "later": 0, **call} for call in calls],
    }
    outcomes: list[dict[str, Any]] = json.loads(
        subprocess.run(
            [sys.executable, "-m", "tests.proof.processes"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
            input=json.dumps(job),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=True,
        ).stdout
    )
    return outcomes


def end_of(outcome: Mapping[str, Any]) -> str:
    """Return "picture", an error's class, or "nothing"."""
    return "picture" if "answer" in outcome else outcome.get("error", "nothing")
