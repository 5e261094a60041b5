"""The server of ``make serve``: the page, the documentation and the API, for this machine alone."""

import http.client
import json
import socket
import struct
from collections.abc import Iterator, Mapping
from threading import Event
from threading import enumerate as enumerate_threads
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import yaml

from local.gateway import Gateway
from local.http_api import CONTRACT
from local.lambda_context import LocalContext
from local.web_server import SWAGGER_UI_FILES, web_server

ORIGIN = "http://localhost:5173"
IMAGES = "/clients/1/images"


def echo(event: dict[str, Any], _context: LocalContext) -> dict[str, Any]:
    return {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "body": json.dumps(event)}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with web_server(Gateway(CONTRACT, echo, cors_origins=[])) as url:
        yield url


def raw(url: str, path: str, **headers: str) -> http.client.HTTPResponse:
    """Send a path as it is: requests would shorten it."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    response.read()
    connection.close()
    return response


def test_contract_is_served_unchanged(url: str) -> None:
    assert yaml.safe_load(requests.get(f"{url}/openapi.yaml", timeout=10).content) == CONTRACT


def test_documentation_loads_nothing_from_elsewhere(url: str) -> None:
    page = requests.get(f"{url}/docs", timeout=10)

    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "//" not in page.text
    for name in SWAGGER_UI_FILES:
        assert f"/docs/{name}" in page.text
        assert len(requests.get(f"{url}/docs/{name}", timeout=10).content) > 100_000


@pytest.mark.parametrize("path", ["/..%2faccount.py", "/../account.py", "/page/index.html", "/docs/../serve.py"])
def test_other_files_are_not_served(url: str, path: str) -> None:
    assert raw(url, path).headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "QUERY"])
def test_every_method_reaches_the_gateway(url: str, method: str) -> None:
    event = requests.request(method, f"{url}{IMAGES}?a=b", data=b"{}", timeout=10).json()

    assert event["requestContext"]["http"]["method"] == method
    assert (event["rawPath"], event["rawQueryString"]) == (IMAGES, "a=b")


def test_repeated_headers_are_joined(url: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    connection.putrequest("GET", "/x")
    connection.putheader("Prefer", "respond-async")
    connection.putheader("Prefer", "wait=3")
    connection.endheaders()

    assert b'"prefer": "respond-async,wait=3"' in connection.getresponse().read()
    connection.close()


def test_client_reads_413_after_a_large_body(url: str) -> None:
    response = requests.post(f"{url}{IMAGES}", data=b"x" * (10 * 1024 * 1024 + 1), timeout=30)

    assert (response.status_code, response.json()) == (413, {"message": "Request Entity Too Large"})


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "null"},
        {"Origin": ORIGIN},
        {"Host": "evil.example"},
        {"Host": "127.0.0.1:1"},
    ],
)
def test_foreign_page_is_refused(url: str, headers: dict[str, str]) -> None:
    """A page that rebinds its name to this machine has a foreign Host; any other page has an Origin."""
    for path in (IMAGES, "/"):
        assert requests.post(f"{url}{path}", data=b"{}", headers=headers, timeout=10).status_code == 403


def test_own_page_is_served(url: str) -> None:
    own = url.replace("127.0.0.1", "localhost")
    headers = {"Host": urlsplit(own).netloc, "Origin": own}
    page = requests.get(url, timeout=10)

    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert requests.post(f"{url}{IMAGES}", data=b"{}", headers=headers, timeout=10).status_code == 200


def test_allowed_origin_is_served() -> None:
    with web_server(Gateway(CONTRACT, echo, cors_origins=[ORIGIN])) as url:
        allowed, foreign = (
            requests.post(f"{url}{IMAGES}", data=b"{}", headers={"Origin": origin}, timeout=10)
            for origin in (ORIGIN, "https://evil.example")
        )

    assert (allowed.status_code, allowed.headers["Access-Control-Allow-Origin"]) == (200, ORIGIN)
    assert foreign.status_code == 403


def test_caller_that_leaves_causes_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    came, left = Event(), Event()

    def slow(event: Mapping[str, Any], _: LocalContext) -> dict[str, Any]:
        came.set()
        left.wait(10)
        return {"statusCode": 200, "body": event["rawPath"] * 100_000}

    others = set(enumerate_threads())
    with web_server(Gateway(CONTRACT, slow)) as url:
        parts = urlsplit(url)
        with socket.create_connection((parts.hostname, parts.port)) as caller:
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # leave with a reset
            caller.sendall(f"GET {IMAGES} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
            came.wait(10)
        left.set()
        for thread in set(enumerate_threads()) - others:
            if "process_request_thread" in thread.name:
                thread.join(10)

    assert capsys.readouterr().err == ""
