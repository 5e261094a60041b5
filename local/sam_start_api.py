"""``make sam-start-api``: the HTTP API in the real ``sam local start-api``, in containers on this machine.

There is no state machine: the API buys in place. Nor is there an authorizer: SAM plays neither IAM nor a JWT, and takes
any authorizer of an HTTP API for a Lambda function's ("Authorizer … contains an invalid payload version"), so it is
given the contract without. It also spells the path of the default route in its own way.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from socket import create_connection
from typing import IO, Any

import yaml

from local.container_engine import SAM, Engine, NoEngineError, find_engine
from local.http_api import ROOT
from local.sam_invoke import SamLocal, sam_local

START_SECONDS = 120


def main(build: str, environ: Mapping[str, str]) -> int:
    """Serve what was built on ``PORT`` until Ctrl-C, and return the exit status."""
    try:
        engine = find_engine(environ)
    except NoEngineError as error:
        _tell(str(error))
        return 1
    port = int(environ.get("PORT", "3000"))
    try:
        with sam_start_api(engine, Path(build), environ, port, sys.stderr):
            _tell(f"http://127.0.0.1:{port}/clients/1/images. Each request starts a container. Ctrl-C ends it.")
            while True:
                time.sleep(3600)
    except KeyboardInterrupt:
        return 0


@contextmanager
def sam_start_api(
    engine: Engine, build: Path, environ: Mapping[str, str], port: int, log: IO[str]
) -> Iterator[SamLocal]:
    """Run `sam local start-api` until the context ends; it listens when the context begins. Raises RuntimeError."""
    with sam_local(engine, build, environ, STATE_MACHINE_ARN="") as sam:
        template = build / "local.yaml"
        template.write_text(json.dumps(_as_sam_takes_it(json.loads(template.read_text("utf-8")))), "utf-8")
        command = [str(SAM), "local", "start-api", "--port", str(port), *sam.arguments]
        with subprocess.Popen(command, cwd=ROOT, env=sam.environ, stdout=log, stderr=log) as process:  # noqa: S603  # a program of this project's own
            try:
                _wait_until_it_listens(port, process)
                yield sam
            finally:
                process.terminate()


def _as_sam_takes_it(template: dict[str, Any]) -> dict[str, Any]:
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
    ends = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < ends:
        try:
            create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise RuntimeError("sam local start-api does not listen; its log says why.")


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], os.environ))
