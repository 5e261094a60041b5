"""AWS's runtime interface emulator around a built artifact: it runs the artifact as Lambda does, without a container.

https://github.com/aws/aws-lambda-runtime-interface-emulator; AWS SAM's command line contains the program.
"""

import base64
import json
import os
import platform
import re
import socket
import subprocess
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import requests

from local.loopback import ADDRESS

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
        self._port, runtime_api_port = free_ports(2)
        self._command: list[str | Path] = [
            *(program, "--runtime-interface-emulator-address", f"{ADDRESS}:{self._port}"),
            *("--runtime-api-address", f"{ADDRESS}:{runtime_api_port}", "--log-level", "info"),
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
        if not listens(self._process, self._port, START_SECONDS):
            self.__exit__()
            raise TimeoutError(self.log)
        return self

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
            f"http://{ADDRESS}:{self._port}/2015-03-31/functions/function/invocations",
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
    def peak_bytes(self) -> int:
        """The highest resident memory of the function's process, as Lambda counts it."""
        return int(re.findall(r"VmHWM:\s+(\d+) kB", self.proc("status"))[0]) * 1024

    def proc(self, name: str) -> str:
        """Return a file of /proc about the function's process, which is the emulator's child."""
        tasks = Path(f"/proc/{self._process.pid}/task").glob("*/children")
        [function] = " ".join(path.read_text("ascii") for path in tasks).split()
        return Path(f"/proc/{function}/{name}").read_text("ascii")


def free_ports(count: int) -> list[int]:
    """Return ports that no server of this machine uses."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.create_server((ADDRESS, 0))) for _ in range(count)]
        return [probe.getsockname()[1] for probe in probes]


def listens(process: "subprocess.Popen[bytes]", port: int, seconds: float) -> bool:
    """Wait until a server listens on this machine. False: its process ended, or the seconds passed."""
    end = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < end:
        try:
            socket.create_connection((ADDRESS, port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return True
    return False
