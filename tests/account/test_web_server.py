"""The server of ``make serve``: the page, the documentation and the API, for this machine alone."""

import http.client
import json
import re
from collections.abc import Iterator, Mapping
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


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/..%2faccount.py"), ("GET", "/../account.py"), ("GET", "/docs.py"), ("QUERY", IMAGES)]
)
def test_other_requests_reach_the_gateway_unchanged(url: str, method: str, path: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)  # requests would shorten the path
    connection.putrequest(method, f"{path}?a=b")
    connection.putheader("Prefer", "respond-async")
    connection.putheader("Prefer", "wait=3")
    connection.putheader("Content-Length", "2")
    connection.endheaders(b"{}")
    event = json.loads(connection.getresponse().read())
    connection.close()

    assert (event["requestContext"]["http"]["method"], event["rawPath"]) == (method, path.replace("%2f", "/"))
    assert (event["rawQueryString"], event["body"]) == ("a=b", "{}")
    assert event["headers"]["prefer"] == "respond-async,wait=3"


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
