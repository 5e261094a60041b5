"""`make serve` over HTTP: the page, the documentation and the API at one address."""

import http.client
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
from local.lambda_context import LocalContext
from local.web_server import SWAGGER_UI_FILES, web_server
from tests.api.http_client import CONTRACT
from tests.api.test_gateway import echo


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with web_server(Gateway(CONTRACT, echo)) as url:
        yield url


def test_the_contract_is_served_as_it_is(url: str) -> None:
    assert yaml.safe_load(requests.get(f"{url}/openapi.yaml", timeout=10).content) == CONTRACT


def test_the_documentation_needs_nobody_else(url: str) -> None:
    page = requests.get(f"{url}/docs", timeout=10)

    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "//" not in page.text.replace("<!--", "")
    for name in SWAGGER_UI_FILES:
        assert f"/docs/{name}" in page.text
        assert len(requests.get(f"{url}/docs/{name}", timeout=10).content) > 100_000


def test_the_page_is_at_the_root(url: str) -> None:
    page = requests.get(url, timeout=10)

    assert page.status_code == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize(
    "path", ["/..%2faccount.py", "/../account.py", "/page/index.html", "/docs/../serve.py", "/nothing"]
)
def test_no_other_file_is_served(url: str, path: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    connection.request("GET", path)

    assert b'"routeKey": "$default"' in connection.getresponse().read()
    connection.close()


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY"])
def test_every_method_reaches_the_gateway(url: str, method: str) -> None:
    answer = requests.request(method, f"{url}/clients/1/images?a=b", data=b"{}", timeout=10).json()

    assert answer["requestContext"]["http"]["method"] == method
    assert (answer["rawPath"], answer["rawQueryString"]) == ("/clients/1/images", "a=b")


def test_head_has_no_body(url: str) -> None:
    answer = requests.head(f"{url}/clients/1/images", timeout=10)

    assert (answer.status_code, answer.content) == (200, b"")


def test_repeated_headers_are_one(url: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    connection.putrequest("GET", "/x")
    connection.putheader("Prefer", "respond-async")
    connection.putheader("Prefer", "wait=3")
    connection.endheaders()

    assert b'"prefer": "respond-async,wait=3"' in connection.getresponse().read()
    connection.close()


def test_a_body_over_the_limit_is_refused_and_its_client_reads_so(url: str) -> None:
    answer = requests.post(f"{url}/clients/1/images", data=b"x" * (10 * 1024 * 1024 + 1), timeout=30)

    assert (answer.status_code, answer.json()) == (413, {"message": "Request Entity Too Large"})


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [("Content-Length", "x", 400), ("Content-Length", "-1", 400), ("Transfer-Encoding", "chunked", 411)],
)
def test_a_body_whose_end_is_not_told_is_refused(url: str, name: str, value: str, status: int) -> None:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    connection.putrequest("POST", "/clients/1/images")
    connection.putheader(name, value)
    connection.endheaders()

    assert connection.getresponse().status == status
    connection.close()


def test_a_caller_that_leaves_before_its_answer_leaves_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    came, left = Event(), Event()

    def slow(event: Mapping[str, Any], _: LocalContext) -> dict[str, Any]:
        came.set()
        left.wait(10)
        return {"statusCode": 200, "body": event["rawPath"] * 100_000}

    with web_server(Gateway(CONTRACT, slow)) as url:
        parts = urlsplit(url)
        with socket.create_connection((parts.hostname, parts.port)) as caller:
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # leave with a reset
            caller.sendall(b"GET /clients/1/images HTTP/1.1\r\nHost: localhost\r\n\r\n")
            came.wait(10)
        left.set()
        for thread in enumerate_threads():
            if "process_request_thread" in thread.name:
                thread.join(10)

    assert capsys.readouterr().err == ""
