"""The real `sam local start-api` serves the routes of openapi.yaml with the local state machine."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from local.account import CREDENTIALS_ID
from local.sam_start_api import running_sam
from local.terminal import CommandError
from tests.artifact.build import build
from tests.contract import assert_in_contract
from tests.sam_local.engine import needed_engine

pytestmark = pytest.mark.slow

IMAGES = "/clients/1/images"
PROBLEM = "application/problem+json"
REQUEST_SECONDS = 120  # each starts a container
ATTEMPTS = 5


class Api:
    """`sam local start-api` as its callers see it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def send(self, method: str, path: str, *, content: str = "", **headers: str) -> tuple[int, Any, dict[str, str]]:
        """Return status, body and headers of a response, which the contract describes."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        response = requests.request(method, self.url + path, data=content, headers=named, timeout=REQUEST_SECONDS)
        assert_in_contract(method, path, response.status_code, response.headers, response.content)
        return response.status_code, response.json(), dict(response.headers)

    def create(self, prompt: str, key: str, **body: object) -> tuple[int, Any, dict[str, str]]:
        """Return the first response with a picture, as a client that retries while the machine is busy."""
        event = {"config": {"credentials_id": CREDENTIALS_ID, "prompt": prompt}, **body}
        headers = {"Content_Type": "application/json", "Idempotency_Key": key}
        for _ in range(ATTEMPTS):
            response = self.send("POST", IMAGES, content=json.dumps(event), **headers)
            if response[0] not in (202, 503):
                break
        return response


@pytest.fixture  # not for the module: every start of SAM empties the account of this process
def api(tmp_path: Path) -> Iterator[Api]:
    engine = needed_engine()
    with (
        (tmp_path / "functions.log").open("w") as log,
        (tmp_path / "sam.log").open("w") as output,
        running_sam(engine, build(), 0, log, output) as sam,
    ):
        yield Api(sam.url)


def test_replay_returns_the_picture_of_the_first_request(api: Api) -> None:
    first, replay = (api.create("Un gato", "pedido-1", nextModule="next") for _ in range(2))
    found = api.send("GET", f"{IMAGES}/{first[1]['_meta_']['image_id']}")

    assert (first[0], replay[0], found[0]) == (200, 200, 200)
    assert [response[1]["_meta_"]["replayed"] for response in (replay, found)] == [True, True]
    assert replay[1]["_meta_"]["image_id"] == first[1]["_meta_"]["image_id"]
    assert found[1]["nextModule"] == "next"


def test_link_opens_on_this_machine(api: Api) -> None:
    link = api.create("Un faro", "pedido-2")[1]["data"]["urlPath"]

    assert requests.get(link, timeout=60).content.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [("POST", IMAGES, 415, "UnsupportedMediaTypeError"), ("GET", "/nothing", 404, "RouteNotFoundError")],
)
def test_error_is_a_problem(api: Api, method: str, path: str, status: int, code: str) -> None:
    response = api.send(method, path, content="{}", Content_Type="text/plain")

    assert (response[0], response[1]["code"], response[2]["Content-Type"]) == (status, code, PROBLEM)


def test_port_in_use_is_a_sentence(tmp_path: Path) -> None:
    engine = needed_engine()
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        (tmp_path / "log").open("w") as log,
        pytest.raises(CommandError, match="cannot be used"),
        running_sam(engine, build(), taken.getsockname()[1], log, log),
    ):
        pass


def test_end_of_sam_ends_the_command(tmp_path: Path) -> None:
    engine = needed_engine()
    with (tmp_path / "log").open("w") as log, running_sam(engine, build(), 0, log, log) as sam:
        sam.process.terminate()
        assert sam.process.wait(30) is not None
