"""``make sam-invoke`` and ``make sam-start-api``: the real `sam local`, in containers."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import requests

from local import sam_invoke
from local.account import CREDENTIALS_ID
from local.container_engine import Engine, find_engine
from local.sam_start_api import running_sam
from local.terminal import CommandError
from tests.artifact.build import build
from tests.contract import assert_in_contract
from tests.events import EVENTS, event_for, read_event

pytestmark = pytest.mark.slow

IMAGES = "/clients/1/images"
REQUEST_SECONDS = 120  # each starts a container
ATTEMPTS = 5


@pytest.fixture
def engine() -> Engine:
    try:
        return find_engine(os.environ)
    except CommandError as error:
        pytest.skip(f"{error} Start one, then: make test-all")


@pytest.mark.usefixtures("engine")
def test_event_is_answered_from_a_container(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    wrong = tmp_path / "event.json"
    wrong.write_text(json.dumps(event_for("A lighthouse", client_id="../x")))
    environ = {**os.environ, "OUT": str(tmp_path)}

    status = sam_invoke.main(str(EVENTS / "with-key.json"), str(build()), environ)
    printed = capfd.readouterr()
    failed = sam_invoke.main(str(wrong), str(build()), environ)
    problem = capfd.readouterr()

    assert status == 0, printed.err
    answer = json.loads(printed.out)
    picture = tmp_path / Path(answer["_meta_"]["key"]).name
    assert answer["nextModule"] == read_event("with-key")["nextModule"]
    assert picture.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert str(picture) in printed.err
    assert answer["data"]["urlPath"].startswith("http://127.0.0.1:")
    assert (failed, problem.out) == (1, "")
    assert "InvalidRequestError: The request is not valid. client_id" in problem.err


def test_api_buys_once_and_its_link_opens(engine: Engine, tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as log, running_sam(engine, build(), 0, log, log) as sam:
        first, replay = (create(sam.url, "Un gato", "pedido-1") for _ in range(2))
        image_id = first["_meta_"]["image_id"]
        found = send(sam.url, "GET", f"{IMAGES}/{image_id}")
        picture = requests.get(replay["data"]["urlPath"], timeout=60).content
        unsupported = send(sam.url, "POST", IMAGES, "{}", **{"Content-Type": "text/plain"})
        missing = send(sam.url, "GET", "/nothing")

    assert picture.startswith(b"\x89PNG")
    assert (found[0], found[1]["nextModule"]) == (200, "next")
    for answer in (replay, found[1]):
        assert (answer["_meta_"]["image_id"], answer["_meta_"]["replayed"]) == (image_id, True)
    assert (unsupported[0], unsupported[1]["code"]) == (415, "UnsupportedMediaTypeError")
    assert (missing[0], missing[1]["code"]) == (404, "RouteNotFoundError")


def create(url: str, prompt: str, key: str) -> Any:  # noqa: ANN401  # JSON
    """Return the first answer with a picture, as a client that retries while the machine is busy."""
    body = json.dumps({"config": {"credentials_id": CREDENTIALS_ID, "prompt": prompt}, "nextModule": "next"})
    for _ in range(ATTEMPTS):
        status, answer = send(url, "POST", IMAGES, body, **{"Content-Type": "application/json", "Idempotency-Key": key})
        if status not in (202, 503):
            break
    assert status == 200, answer
    return answer


def send(url: str, method: str, path: str, content: str = "", **headers: str) -> tuple[int, Any]:
    """Return status and body of a response, which the contract describes."""
    response = requests.request(method, url + path, data=content, headers=headers, timeout=REQUEST_SECONDS)
    assert_in_contract(method, path, response.status_code, response.headers, response.content)
    return response.status_code, response.json()
