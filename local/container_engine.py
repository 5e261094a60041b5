"""The container engine of `sam local`, and a way for its containers to reach the servers of this machine."""

import json
import os
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from sys import platform
from threading import Thread

from local.terminal import FAILURE, CommandError, run_command

SAM = Path(".venv-sam/bin/sam")
THIS_MACHINE = "host.docker.internal"
"""This machine's name in a container, as Docker Desktop has it: https://docs.docker.com/desktop/features/networking/"""
LAMBDA_IMAGE = "public.ecr.aws/lambda/python:3.13"
IP_FREEBIND = 15  # ip(7): the network's address can be bound before its first container brings it up

# Docker's own library for Python, which SAM depends on. DOCKER_HOST leads it to other engines.
_FIND = """
import docker, json, sys
try:
    client = docker.from_env()
    print(json.dumps({
        "system": client.info().get("OperatingSystem"),
        "gateway": client.networks.get("bridge").attrs["IPAM"]["Config"][0]["Gateway"],
        "images": [tag for image in client.images.list() for tag in image.tags],
    }))
except docker.errors.DockerException as error:
    sys.exit(str(error).splitlines()[0])
"""


@dataclass(frozen=True, slots=True)
class Engine:
    """A container engine. gateway: this machine's address in its network; None if it runs in a virtual machine."""

    gateway: str | None
    images: frozenset[str]

    @property
    def sam_options(self) -> list[str]:
        """The options of `sam local` that let containers find this machine, and pull no image that is present."""
        address = self.gateway or "host-gateway"
        skip_pull = ["--skip-pull-image"] if any(tag.startswith(LAMBDA_IMAGE) for tag in self.images) else []
        return ["--add-host", f"{THIS_MACHINE}:{address}", *skip_pull]

    @contextmanager
    def forwarding(self, *ports: int) -> Iterator[None]:
        """Let containers reach these ports of this machine's loopback address."""
        with ExitStack() as stack:
            if self.gateway is not None:  # otherwise the engine itself forwards
                for port in ports:
                    stack.enter_context(_forwarding(self.gateway, port))
            yield


def find_engine(environ: Mapping[str, str]) -> Engine:
    """Return the engine. Raises CommandError."""
    done = subprocess.run(  # noqa: S603  # a program of this project's own
        [SAM.with_name("python"), "-c", _FIND], env=dict(environ), capture_output=True, text=True, check=False
    )
    if done.returncode:
        reason = done.stderr.strip().rpartition("\n")[2]
        raise CommandError(f"No container engine was found, and `sam local` needs one. {reason}", FAILURE)
    found = json.loads(done.stdout)
    in_virtual_machine = platform != "linux" or found["system"] == "Docker Desktop"
    return Engine(None if in_virtual_machine else found["gateway"], frozenset(found["images"]))


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
    with suppress(OSError):  # either end may close at any time
        while content := source.recv(65_536):
            to.sendall(content)
        to.shutdown(socket.SHUT_WR)


def main(environ: Mapping[str, str]) -> int:
    """Check for an engine before anything is built."""
    find_engine(environ)
    return 0


if __name__ == "__main__":
    run_command(lambda: main(os.environ))
