"""The server of ``make serve``: the page, the documentation and the API, for this machine alone."""

import http.client
import json
import re
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
from local.web_server import web_server

ORIGIN = "http://localhost:5173"
IMAGES = "/clients/1/images"


def echo(event: dict[str, Any], _context: LocalContext) -> dict[str, Any]:
    return {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "body": json.dumps(event)}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with web_server(Gateway(CONTRACT, echo)) as url:
        yield url


def test_page_and_documentation_load_only_own_files(url: str) -> None:
    page, docs = (requests.get(f"{url}{path}", timeout=10) for path in ("/", "/docs"))

    assert "Content-Security-Policy" in page.text
    assert "//" not in docs.text
    types = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml", "yaml": "application/yaml"}
    linked = [*re.findall(r'(?:href|src)="/?(\S+\.\w+)"', page.text + docs.text), "openapi.yaml"]
    assert len(linked) == 6
    for path in linked:
        response = requests.get(f"{url}/{path}", timeout=10)
        assert response.headers["Content-Type"].startswith(types[path.rpartition(".")[2]])
        assert response.headers["Cache-Control"] == "max-age=0, public"
    assert yaml.safe_load(response.content) == CONTRACT


@pytest.mark.parametrize("path", ["/..%2faccount.py", "/../account.py", "/page/index.html", "/docs.py"])
def test_other_paths_and_repeated_headers_reach_the_gateway(url: str, path: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)  # requests would shorten the path
    connection.putrequest("GET", path)
    connection.putheader("Prefer", "respond-async")
    connection.putheader("Prefer", "wait=3")
    connection.endheaders()
    event = json.loads(connection.getresponse().read())
    connection.close()

    assert (event["rawPath"], event["headers"]["prefer"]) == (path.replace("%2f", "/"), "respond-async,wait=3")


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "QUERY"])
def test_every_method_reaches_the_gateway(url: str, method: str) -> None:
    event = requests.request(method, f"{url}{IMAGES}?a=b", data=b"{}", timeout=10).json()

    assert event["requestContext"]["http"]["method"] == method
    assert (event["rawPath"], event["rawQueryString"], event["body"]) == (IMAGES, "a=b", "{}")


def test_client_reads_413_after_a_large_body(url: str) -> None:
    response = requests.post(f"{url}{IMAGES}", data=b"x" * (10 * 1024 * 1024 + 1), timeout=30)

    assert (response.status_code, response.json()) == (413, {"message": "Request Entity Too Large"})


@pytest.mark.parametrize(
    ("headers", "status", "allowed"),
    [
        ({}, 200, None),
        ({"Host": "localhost:PORT", "Origin": "http://localhost:PORT"}, 200, None),
        ({"Origin": ORIGIN}, 200, ORIGIN),
        ({"Origin": "null"}, 403, None),
        ({"Origin": "https://evil.example"}, 403, None),
        ({"Host": "evil.example"}, 403, None),
        ({"Host": "127.0.0.1:1"}, 403, None),
    ],
)
def test_foreign_page_is_refused(headers: Mapping[str, str], status: int, allowed: str | None) -> None:
    """A page that rebinds its name to this machine has a foreign Host; any other page has an Origin."""
    with web_server(Gateway(CONTRACT, echo, cors_origins=[ORIGIN])) as url:
        sent = {name: value.replace("PORT", str(urlsplit(url).port)) for name, value in headers.items()}
        page, picture = (
            requests.request(method, f"{url}{path}", headers=sent, timeout=10)
            for method, path in [("GET", "/"), ("POST", IMAGES)]
        )

    assert (page.status_code, picture.status_code) == (status, status)
    assert picture.headers.get("Access-Control-Allow-Origin") == allowed


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
