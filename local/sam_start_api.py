"""``make sam-start-api``: the HTTP API in the real ``sam local start-api``, in containers on this machine.

The API function runs in containers. The state machine, which SAM does not have, and the generate function run in this
process. There is no authorizer: SAM has neither IAM nor JWT authorizers, and treats each authorizer of an HTTP API as a
Lambda function ("Authorizer … contains an invalid payload version"). SAM also has another name for the default route.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import yaml
from werkzeug.middleware.http_proxy import ProxyMiddleware
from werkzeug.wrappers import Response

from generate_image.functions import generate_image
from local.container_engine import SAM, Engine, find_engine
from local.emulator import free_ports, listens
from local.functions import ConcurrentFunction, environment
from local.http_api import ROOT, state_machine
from local.loopback import ADDRESS, serving
from local.sam_invoke import SamLocal, sam_local
from local.serve import port_of
from local.terminal import FAILURE, CommandError, report, run_command
from local.workspace import out_folder

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

START_SECONDS = 120
LOG = "sam-start-api.log"


def main(build: str, environ: Mapping[str, str]) -> int:
    """Serve on ``PORT`` until Ctrl-C or until SAM ends, and return the exit status."""
    port = port_of(environ, default=3000)
    engine = find_engine(environ)
    log_path = out_folder(environ) / LOG
    with (
        log_path.open("w", encoding="utf-8", buffering=1) as log,
        running_sam(engine, Path(build), port, log) as sam,
    ):
        report(f"{sam.url}/clients/1/images. Each request starts a container. Ctrl-C ends it.")
        report(f"The log of the generate function, which runs in this process: {log_path}.")
        try:
            return sam.process.wait()
        except KeyboardInterrupt:
            return 0


class RunningSam(NamedTuple):
    """`sam local start-api`, behind a proxy at ``url``."""

    process: "subprocess.Popen[bytes]"
    url: str


@contextmanager
def running_sam(
    engine: Engine, build: Path, port: int, log: IO[str], output: IO[str] = sys.stderr
) -> Iterator[RunningSam]:
    """Run `sam local start-api` until the context ends; it listens when the context begins. Raises CommandError.

    port: 0 for a free one. log: of the generate function. output: of SAM.
    """
    [own_port] = free_ports(1)
    with ExitStack() as stack:
        sam = stack.enter_context(sam_local(engine, build))
        try:
            server = stack.enter_context(serving(_Proxy(sam, own_port), port))
        except OSError as error:
            message = f"Port {port} cannot be used ({error.strerror}): make sam-start-api PORT=3001"
            raise CommandError(message, FAILURE) from None
        function = ConcurrentFunction(generate_image.build, lambda: environment(sam.account, sam.settings, log))
        arn = stack.enter_context(state_machine(sam.account, function, sleep=time.sleep))
        arguments = sam.arguments(STATE_MACHINE_ARN=arn, API_AUTHORIZATION="none")
        template = _with_sam_routes(json.loads(sam.template.read_text("utf-8")))
        sam.template.write_text(json.dumps(template), "utf-8")
        command = [str(SAM), "local", "start-api", "--port", str(own_port), *arguments]
        process = stack.enter_context(
            subprocess.Popen(command, cwd=ROOT, env=sam.environ, stdout=output, stderr=output)  # noqa: S603  # a program of this project's own
        )
        stack.callback(process.terminate)
        if not listens(process, own_port, START_SECONDS):
            raise CommandError("`sam local start-api` does not listen; its output above says why.", FAILURE)
        yield RunningSam(process, f"http://{ADDRESS}:{server.port}")


class _Proxy:
    """A WSGI application that answers with SAM's responses, with links that this machine can open."""

    def __init__(self, sam: SamLocal, port: int) -> None:
        target = {"target": f"http://{ADDRESS}:{port}"}
        self._sam = sam
        self._proxy = ProxyMiddleware(Response(status=404), {"sam": target}, timeout=START_SECONDS)
        [self._target] = self._proxy.targets.values()

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path = environ["RAW_URI"].partition("?")[0]
        response = Response.from_app(self._proxy.proxy_to(self._target, path, "/"), environ, buffered=True)
        response.data = self._sam.with_own_links(response.data)
        return response(environ, start_response)


def _with_sam_routes(template: dict[str, Any]) -> dict[str, Any]:
    """Return the template with the routes of openapi.yaml, as SAM reads them."""
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


if __name__ == "__main__":
    run_command(lambda: main(sys.argv[1], os.environ))
