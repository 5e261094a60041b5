"""The container engine that AWS SAM uses, and a way for its containers to reach the servers of this machine."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread

SAM = Path(".venv-sam/bin/sam")
THIS_MACHINE = "host.docker.internal"
"""This machine's name in a container, as Docker Desktop gives it: https://docs.docker.com/desktop/features/networking/"""
LAMBDA_IMAGE = "public.ecr.aws/lambda/python:3.13"
IP_FREEBIND = 15  # ip(7): the network's address may be bound before its first container brings it up

# SAM's own way to the engine knows of Docker, Finch and the variables that lead to others.
_ASK_ENGINE = """
import json
from samcli.local.docker.utils import get_validated_container_client
client = get_validated_container_client()
print(json.dumps({
    "system": client.info().get("OperatingSystem"),
    "gateway": client.networks.get("bridge").attrs["IPAM"]["Config"][0]["Gateway"],
    "images": [tag for image in client.images.list() for tag in image.tags],
}))
"""


class NoEngineError(Exception):
    """There is no container engine that SAM can use. The message is one line for whoever asked for it."""


@dataclass(frozen=True, slots=True)
class Engine:
    """A container engine. gateway: this machine's address in its network; None where the engine has a machine apart."""

    gateway: str | None
    images: frozenset[str]

    @property
    def sam_options(self) -> list[str]:
        """The options of `sam local` that let containers find this machine, and pull no image that is there."""
        address = self.gateway or "host-gateway"
        skip_pull = ["--skip-pull-image"] if any(tag.startswith(LAMBDA_IMAGE) for tag in self.images) else []
        return ["--add-host", f"{THIS_MACHINE}:{address}", *skip_pull]

    @contextmanager
    def forwarding(self, *ports: int) -> Iterator[None]:
        """Let containers reach these ports of this machine's loopback address, and nobody else."""
        with ExitStack() as stack:
            if self.gateway is not None:  # else the engine forwards by itself
                for port in ports:
                    stack.enter_context(_forwarding(self.gateway, port))
            yield


def find_engine(environ: Mapping[str, str]) -> Engine:
    """Return the engine that SAM finds. Raises NoEngineError."""
    python = SAM.with_name("python")
    asked = subprocess.run(  # noqa: S603  # a program of this project's own
        [python, "-c", _ASK_ENGINE], env=dict(environ), capture_output=True, text=True, check=False
    )
    if asked.returncode:
        reason = asked.stderr.strip().rpartition("\n")[2].partition(": ")[2]
        raise NoEngineError(f"sam local finds no container engine: {reason}")
    found = json.loads(asked.stdout)
    apart = sys.platform != "linux" or found["system"] == "Docker Desktop"
    return Engine(None if apart else found["gateway"], frozenset(found["images"]))


class _Forward(BaseRequestHandler):
    def handle(self) -> None:
        port = self.server.server_address[1]  # type: ignore[index]  # of a TCP server it is a pair
        with socket.create_connection(("127.0.0.1", int(port))) as server:
            back = Thread(target=_copy, args=(server, self.request), daemon=True)
            back.start()
            _copy(self.request, server)
            back.join()


class _Server(ThreadingTCPServer):
    daemon_threads = True

    def server_bind(self) -> None:
        self.socket.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
        super().server_bind()


@contextmanager
def _forwarding(address: str, port: int) -> Iterator[None]:
    with _Server((address, port), _Forward) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield
        server.shutdown()


def _copy(source: socket.socket, to: socket.socket) -> None:
    with suppress(OSError):  # either end may go at any time
        while content := source.recv(65_536):
            to.sendall(content)
        to.shutdown(socket.SHUT_WR)


if __name__ == "__main__":
    try:
        find_engine(os.environ)
    except NoEngineError as no_engine:
        sys.exit(str(no_engine))
