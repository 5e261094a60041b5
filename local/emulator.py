"""AWS's runtime interface emulator around a built artifact: it runs the artifact as Lambda does, without a container.

https://github.com/aws/aws-lambda-runtime-interface-emulator; AWS SAM's command line contains the program.
"""

import base64
import json
import os
import platform
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import requests

ROOT = Path(__file__).parents[1]
ARCHITECTURE = "arm64" if platform.machine() in {"aarch64", "arm64"} else "x86_64"
"""This machine's: only its artifact runs here."""
START_SECONDS = 30
INVOCATION_SECONDS = 120
EMULATORS = "lib/python3.*/site-packages/samcli/local/rapid/aws-lambda-rie-"


class Emulator:
    """One execution environment of a function; `with Emulator(…) as emulator:` runs it.

    artifact: the directory that Lambda mounts as /var/task. python: an interpreter that has AWS's runtime client.
    environ: the function's environment variables. seconds: its timeout. log: the file for its log and the emulator's.
    """

    def __init__(
        self, artifact: Path, python: Path, *, handler: str, environ: Mapping[str, str], seconds: int, log: Path
    ) -> None:
        self._artifact = artifact
        [program] = (ROOT / ".venv-sam").glob(EMULATORS + ARCHITECTURE)
        self._port, runtime_api_port = _free_ports()
        self._command: list[str | Path] = [
            *(program, "--runtime-interface-emulator-address", f"127.0.0.1:{self._port}"),
            *("--runtime-api-address", f"127.0.0.1:{runtime_api_port}", "--log-level", "info"),
            *(python, "-m", "awslambdaric", handler),
        ]
        # This process's environment has a PYTHONPATH and perhaps AWS credentials: the function gets none of it.
        self._environ = {
            "PATH": os.defpath,
            "PYTHONPATH": str(artifact),
            "AWS_LAMBDA_FUNCTION_NAME": "generate-image",
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(seconds),
            **environ,
        }
        self._log = log

    def __enter__(self) -> Self:
        """Start the emulator. It starts the function's process at the first invocation. Raises TimeoutError."""
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603  # our own command
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
        """End the emulator and the function."""
        self._process.terminate()
        self._process.wait()

    def invoke(self, event: object, *, answer_bytes: int | None = None) -> dict[str, Any]:
        """Return the function's response, or its error as Lambda reports it: ``errorType``, ``errorMessage`` and more.

        answer_bytes: of the client context. The emulator's own errors, such as a timeout, have ``Lambda.Unknown``.
        """
        custom = {} if answer_bytes is None else {"answer_bytes": str(answer_bytes)}
        response = requests.post(
            f"http://127.0.0.1:{self._port}/2015-03-31/functions/function/invocations",
            json=event,
            headers={"X-Amz-Client-Context": base64.b64encode(json.dumps({"custom": custom}).encode()).decode()},
            timeout=INVOCATION_SECONDS,
        )
        response.raise_for_status()
        try:
            result: dict[str, Any] = response.json()
        except requests.JSONDecodeError:
            return {"errorType": "Lambda.Unknown", "errorMessage": response.text}
        return result

    @property
    def log(self) -> str:
        """The log so far."""
        return self._log.read_text("utf-8", errors="replace")

    @property
    def process_id(self) -> int:
        """The emulator's process id. The function's process is its child."""
        return self._process.pid


def _free_ports() -> tuple[int, int]:
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]
