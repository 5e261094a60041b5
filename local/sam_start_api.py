"""``make sam-start-api``: the HTTP API in the real ``sam local start-api``, in containers on this machine.

The API function runs in containers. The state machine, which SAM does not have, and the generate function run in this
process. There is no authorizer: SAM has neither IAM nor JWT authorizers, and treats each authorizer of an HTTP API as a
Lambda function ("Authorizer … contains an invalid payload version"). SAM also has another name for the default route.
"""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import yaml

from generate_image.functions import generate_image
from local.container_engine import SAM, THIS_MACHINE, Engine, find_engine
from local.functions import ConcurrentFunction, environment
from local.http_api import ROOT, state_machine
from local.sam_invoke import SamLocal, sam_local
from local.serve import port_of
from local.terminal import FAILURE, CommandError, report, run_command
from local.workspace import out_folder

START_SECONDS = 120
LOG = "sam-start-api.log"


def main(build: str, environ: Mapping[str, str]) -> int:
    """Serve on ``PORT`` until Ctrl-C or until SAM ends, and return the exit status."""
    port = port_of(environ, default=3000)
    check_port(port)
    engine = find_engine(environ)
    log_path = out_folder(environ) / LOG
    with (
        log_path.open("w", encoding="utf-8", buffering=1) as log,
        running_sam(engine, Path(build), port, log) as (_, sam),
    ):
        report(f"http://127.0.0.1:{port}/clients/1/images. Each request starts a container. Ctrl-C ends it.")
        report(f"The log of the generate function, which runs in this process: {log_path}.")
        if engine.gateway is None:
            report(f"In links, replace {THIS_MACHINE} by 127.0.0.1: this machine does not know that name.")
        try:
            return sam.wait()
        except KeyboardInterrupt:
            return 0


def check_port(port: int) -> None:
    """Raise CommandError if another program listens on the port: SAM would start, and not be reached."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            message = f"Port {port} cannot be used ({error.strerror}): make sam-start-api PORT=3001"
            raise CommandError(message, FAILURE) from None


@contextmanager
def running_sam(
    engine: Engine, build: Path, port: int, log: IO[str], output: IO[str] = sys.stderr
) -> Iterator[tuple[SamLocal, "subprocess.Popen[bytes]"]]:
    """Run `sam local start-api` until the context ends; it listens when the context begins. Raises CommandError.

    log: of the generate function. output: of SAM.
    """
    with sam_local(engine, build) as sam:
        function = ConcurrentFunction(generate_image.build, lambda: environment(sam.account, sam.settings, log))
        with state_machine(sam.account, function, sleep=time.sleep) as arn:
            arguments = sam.arguments(STATE_MACHINE_ARN=arn, API_AUTHORIZATION="none")
            template = build / "local.yaml"
            template.write_text(json.dumps(_with_sam_routes(json.loads(template.read_text("utf-8")))), "utf-8")
            command = [str(SAM), "local", "start-api", "--port", str(port), *arguments]
            with subprocess.Popen(command, cwd=ROOT, env=sam.environ, stdout=output, stderr=output) as process:  # noqa: S603  # a program of this project's own
                try:
                    _wait_until_it_listens(port, process)
                    yield sam, process
                finally:
                    process.terminate()


def _with_sam_routes(template: dict[str, Any]) -> dict[str, Any]:
    contract = yaml.safe_load((ROOT / "openapi.yaml").read_text("utf-8"))
    del contract["components"]["securitySchemes"]
    [any_method] = contract["paths"].pop("/$default").values()
    contract["paths"]["$default"] = {"x-amazon-apigateway-any-method": any_method["Fn::If"][-1]}
    for path in contract["paths"].values():
        for operation in path.values():
            if isinstance(operation, dict):
                operation.pop("security", None)
    template["Resources"]["HttpApi"]["Properties"]["DefinitionBody"] = contract
    return template


def _wait_until_it_listens(port: int, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise CommandError("`sam local start-api` does not listen; its output above says why.", FAILURE)


if __name__ == "__main__":
    run_command(lambda: main(sys.argv[1], os.environ))
