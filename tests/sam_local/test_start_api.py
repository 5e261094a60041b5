"""The real `sam local start-api` serves the routes of openapi.yaml with the local state machine."""

import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import requests

from local.account import CREDENTIALS_ID
from local.container_engine import Engine
from local.sam_start_api import running_sam
from local.terminal import CommandError
from tests.artifact.build import build
from tests.contract import assert_in_contract

pytestmark = pytest.mark.slow

IMAGES = "/clients/1/images"
REQUEST_SECONDS = 120  # each starts a container
ATTEMPTS = 5


def send(url: str, method: str, path: str, headers: Mapping[str, str], content: str = "") -> tuple[int, Any]:
    """Return status and body of a response, which the contract describes."""
    response = requests.request(method, url + path, data=content, headers=headers, timeout=REQUEST_SECONDS)
    assert_in_contract(method, path, response.status_code, response.headers, response.content)
    return response.status_code, response.json()


def create(url: str, prompt: str, key: str) -> Any:  # noqa: ANN401  # JSON
    """Return the first answer with a picture, as a client that retries while the machine is busy."""
    event = {"config": {"credentials_id": CREDENTIALS_ID, "prompt": prompt}, "nextModule": "next"}
    for _ in range(ATTEMPTS):
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        status, answer = send(url, "POST", IMAGES, headers, json.dumps(event))
        if status not in (202, 503):
            break
    assert status == 200, answer
    return answer


def test_api_buys_once_and_its_link_opens(engine: Engine, tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as log, running_sam(engine, build(), 0, log, log) as sam:
        first, replay = (create(sam.url, "Un gato", "pedido-1") for _ in range(2))
        image_id = first["_meta_"]["image_id"]
        found = send(sam.url, "GET", f"{IMAGES}/{image_id}", {})
        picture = requests.get(replay["data"]["urlPath"], timeout=60).content
        unsupported = send(sam.url, "POST", IMAGES, {"Content-Type": "text/plain"}, "{}")
        missing = send(sam.url, "GET", "/nothing", {})

    assert picture.startswith(b"\x89PNG")
    assert (found[0], found[1]["nextModule"]) == (200, "next")
    for answer in (replay, found[1]):
        assert (answer["_meta_"]["image_id"], answer["_meta_"]["replayed"]) == (image_id, True)
    assert (unsupported[0], unsupported[1]["code"]) == (415, "UnsupportedMediaTypeError")
    assert (missing[0], missing[1]["code"]) == (404, "RouteNotFoundError")


def test_port_in_use_is_a_sentence(engine: Engine, tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        (tmp_path / "log").open("w") as log,
        pytest.raises(CommandError, match="cannot be used"),
        running_sam(engine, build(), taken.getsockname()[1], log, log),
    ):
        pass
