"""AWS's runtime interface emulator around a built artifact: what Lambda runs, without a container.

https://github.com/aws/aws-lambda-runtime-interface-emulator; the binary comes with AWS SAM's command line.
"""

import base64
import json
import os
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import requests

from tests.artifact.build import ARCHITECTURE, ROOT

START_SECONDS = 30
EMULATORS = "lib/python3.*/site-packages/samcli/local/rapid/aws-lambda-rie-"


class Emulator:
    """One execution environment of a function; `with Emulator(…) as emulator:` runs it.

    artifact: the directory that Lambda has as /var/task. python: the interpreter, with AWS's runtime client. seconds:
    the function's time-out. log: where the function's log goes, with the emulator's own lines.
    """

    def __init__(
        self, artifact: Path, python: Path, *, handler: str, environ: Mapping[str, str], seconds: int, log: Path
    ) -> None:
        self._artifact = artifact
        [binary] = (ROOT / ".venv-sam").glob(EMULATORS + ARCHITECTURE)
        self._port, runtime_api_port = _free_ports()
        self._command: list[str | Path] = [
            *(binary, "--runtime-interface-emulator-address", f"127.0.0.1:{self._port}"),
            *("--runtime-api-address", f"127.0.0.1:{runtime_api_port}", "--log-level", "info"),
            *(python, "-m", "awslambdaric", handler),
        ]
        # Nothing of this process's environment: neither its PYTHONPATH nor somebody's AWS credentials.
        self._environ = {
            "PATH": os.defpath,
            "PYTHONPATH": str(artifact),
            "AWS_LAMBDA_FUNCTION_NAME": "generate-image",
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(seconds),
            **environ,
        }
        self._log = log

    def __enter__(self) -> Self:
        """Start the emulator. It starts the function's process when the first invocation comes, as Lambda does."""
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command, cwd=self._artifact, env=self._environ, stdout=log, stderr=subprocess.STDOUT
            )
        for _ in range(START_SECONDS * 20):
            try:
                socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
            except ConnectionRefusedError:
                time.sleep(0.05)
            else:
                return self
        self.__exit__()
        raise TimeoutError(self.log)

    def __exit__(self, *_: object) -> None:
        """End the emulator, and with it the function."""
        self._process.terminate()
        self._process.wait()

    def invoke(self, event: object, *, answer_bytes: int | None = None) -> dict[str, Any]:
        """Return the function's answer, or its error as Lambda tells it: ``errorType``, ``errorMessage`` and more."""
        custom = {} if answer_bytes is None else {"answer_bytes": str(answer_bytes)}
        response = requests.post(
            f"http://127.0.0.1:{self._port}/2015-03-31/functions/function/invocations",
            json=event,
            headers={"X-Amz-Client-Context": base64.b64encode(json.dumps({"custom": custom}).encode()).decode()},
            timeout=120,
        )
        response.raise_for_status()
        answer: dict[str, Any] = response.json()
        return answer

    @property
    def log(self) -> str:
        """Everything that was logged so far."""
        return self._log.read_text("utf-8", errors="replace")


def _free_ports() -> tuple[int, int]:
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]
