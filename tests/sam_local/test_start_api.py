"""The real `sam local start-api` serves the same routes with the same answers, bought in place."""

import json
import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from local.account import BUCKET, CREDENTIALS_ID
from local.gateway import Response
from local.sam_invoke import SamLocal
from local.sam_start_api import sam_start_api
from tests.api.http_client import PROBLEM, assert_in_contract
from tests.artifact.build import build
from tests.sam_local.engine import needed_engine

PNG = b"\x89PNG\r\n\x1a\n"
IMAGES = "/clients/1/images"
REQUEST_SECONDS = 120  # each starts a container


class Api:
    """`sam local start-api` and the account that it works in."""

    def __init__(self, url: str, sam: SamLocal) -> None:
        self.url = url
        self.sam = sam

    def ask(self, method: str, path: str, *, content: str = "", **headers: str) -> tuple[int, Any, dict[str, str]]:
        """Return status, body and headers of an answer, which the contract describes."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = requests.request(method, self.url + path, data=content, headers=named, timeout=REQUEST_SECONDS)
        assert_in_contract(method, path, Response(answer.status_code, answer.headers, answer.content))
        return answer.status_code, answer.json(), dict(answer.headers)

    def order(self, prompt: str, key: str, client: str = "1", **body: object) -> tuple[int, Any, dict[str, str]]:
        event = {"config": {"credentials_id": CREDENTIALS_ID, "prompt": prompt}, **body}
        return self.ask(
            "POST",
            f"/clients/{client}/images",
            content=json.dumps(event),
            Content_Type="application/json",
            Idempotency_Key=key,
        )


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    engine = needed_engine()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("sam") / "start-api.log"
    with log.open("w") as written, sam_start_api(engine, build().parent, os.environ, port, written) as sam:
        yield Api(f"http://127.0.0.1:{port}", sam)


def test_a_picture_is_bought_once_and_found_again(api: Api) -> None:
    first, again = (api.order("Un gato", "order-1", nextModule="next", data={"order": 4711}) for _ in range(2))
    image_id = first[1]["_meta_"]["image_id"]
    looked = api.ask("GET", f"{IMAGES}/{image_id}")

    assert (first[0], again[0], looked[0]) == (200, 200, 200)
    assert [answer[1]["_meta_"]["replayed"] for answer in (first, again, looked)] == [False, True, True]
    assert {answer[1]["_meta_"]["image_id"] for answer in (first, again, looked)} == {image_id}
    assert looked[1]["nextModule"] == "next"
    s3 = api.sam.account.session().client("s3", endpoint_url=api.sam.account.endpoint)
    assert s3.get_object(Bucket=BUCKET, Key=first[1]["_meta_"]["key"])["Body"].read().startswith(PNG)


def test_a_key_reused_with_another_body_is_refused(api: Api) -> None:
    api.order("Un faro", "order-2")

    assert api.order("Un gato", "order-2")[1]["code"] == "IdempotencyKeyReusedError"


def test_another_client_s_picture_is_not_found(api: Api) -> None:
    image_id = api.order("Un faro", "order-3")[1]["_meta_"]["image_id"]

    assert api.ask("GET", f"/clients/2/images/{image_id}")[1]["code"] == "ImageNotFoundError"


@pytest.mark.parametrize(
    ("method", "path", "content_type", "content", "status", "code"),
    [
        ("POST", IMAGES, "application/json", "{", 400, "InvalidRequestError"),
        ("POST", IMAGES, "application/json", "[]", 400, "InvalidRequestError"),
        ("POST", IMAGES, "text/plain", "{}", 415, "UnsupportedMediaTypeError"),
        ("GET", f"{IMAGES}/not-an-id", "", "", 400, "InvalidRequestError"),
        ("POST", IMAGES, "application/json", '{"client_id": 2}', 403, "ForbiddenError"),
        ("PUT", IMAGES, "application/json", "{}", 405, "MethodNotAllowedError"),
        ("GET", "/nothing", "", "", 404, "RouteNotFoundError"),
    ],
)
def test_what_is_refused_is_a_problem(
    api: Api, method: str, path: str, content_type: str, content: str, status: int, code: str
) -> None:
    headers = {"Content_Type": content_type} if content_type else {}

    told = api.ask(method, path, content=content, **headers)

    assert (told[0], told[1]["code"], told[2]["Content-Type"]) == (status, code, PROBLEM)
