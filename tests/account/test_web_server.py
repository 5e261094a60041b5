"""``make serve`` behaves as API Gateway, serves the page and the documentation, and refuses other web pages."""

import http.client
import json
import re
from collections.abc import Callable, Mapping
from threading import Event
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import yaml

from local.gateway import Gateway
from local.http_api import CONTRACT
from local.web_server import web_server

ORIGIN = "http://localhost:5173"
PATH = "/clients/1/images"


def echo(event: Any, _context: object) -> dict[str, Any]:  # noqa: ANN401  # any event
    return {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "body": json.dumps(event)}


def fail(_event: object, _context: object) -> None:
    raise ValueError("a defect")


@pytest.mark.parametrize(
    ("function", "seconds", "size", "status", "message"),
    [
        (fail, 30, 0, 500, "Internal Server Error"),
        (lambda _event, _context: Event().wait(10), 0, 0, 503, "Service Unavailable"),
        (echo, 30, 7 * 1024 * 1024, 413, "Request Entity Too Large"),
    ],
)
def test_failure_gets_a_message_of_the_gateway(
    function: Callable[..., Any], seconds: float, size: int, status: int, message: str
) -> None:
    response = Gateway(CONTRACT, function, seconds=seconds).answer("POST", PATH, {}, b"x" * size)

    assert (response.status, json.loads(response.body)) == (status, {"message": message})


@pytest.mark.parametrize("is_allowed", [True, False])
def test_only_an_allowed_origin_gets_cors_headers(*, is_allowed: bool) -> None:
    gateway = Gateway(CONTRACT, echo, cors_origins=[ORIGIN if is_allowed else "http://other"])

    preflight = gateway.answer("OPTIONS", PATH, {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}, b"")
    response = gateway.answer("POST", PATH, {"Origin": ORIGIN}, b"{}")
    unknown = gateway.answer("GET", "/nothing", {}, b"")

    assert (preflight.status, unknown.status) == (204, 404)
    assert preflight.headers.get("Access-Control-Allow-Methods") == ("GET,POST" if is_allowed else None)
    assert ("idempotency-key" in preflight.headers.get("Access-Control-Allow-Headers", "")) == is_allowed
    assert ("location" in response.headers.get("Access-Control-Expose-Headers", "")) == is_allowed
    assert response.headers.get("Access-Control-Allow-Origin") == (ORIGIN if is_allowed else None)


def test_page_and_documentation_load_only_own_files() -> None:
    with web_server(Gateway(CONTRACT, echo)) as url:
        page, docs = (requests.get(f"{url}{path}", timeout=10) for path in ("/", "/docs"))
        linked = [*re.findall(r'(?:href|src)="/?(\S+\.\w+)"', page.text + docs.text), "openapi.yaml"]
        found = [requests.get(f"{url}/{path}", timeout=10) for path in linked]

    assert "Content-Security-Policy" in page.text
    assert "//" not in docs.text
    types = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml", "yaml": "application/yaml"}
    assert len(linked) == 6
    for path, response in zip(linked, found, strict=True):
        assert response.headers["Content-Type"].startswith(types[path.rpartition(".")[2]])
        assert response.headers["Cache-Control"] == "max-age=0, public"
    assert yaml.safe_load(found[-1].content) == CONTRACT


@pytest.mark.parametrize(("method", "path"), [("GET", "/..%2faccount.py"), ("QUERY", PATH)])
def test_other_requests_reach_the_gateway_unchanged(method: str, path: str) -> None:
    with web_server(Gateway(CONTRACT, echo)) as url:
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)  # requests would shorten the path
        connection.putrequest(method, f"{path}?a=b")
        for header in (("Prefer", "respond-async"), ("Prefer", "wait=3"), ("Content-Length", "2")):
            connection.putheader(*header)
        connection.endheaders(b"{}")
        event = json.loads(connection.getresponse().read())
        connection.close()

    assert (event["requestContext"]["http"]["method"], event["rawPath"]) == (method, path.replace("%2f", "/"))
    assert (event["rawQueryString"], event["body"]) == ("a=b", "{}")
    assert event["headers"]["prefer"] == "respond-async,wait=3"


@pytest.mark.parametrize(
    ("headers", "status", "allowed"),
    [
        ({}, 200, None),
        ({"Host": "localhost:PORT", "Origin": "http://localhost:PORT"}, 200, None),
        ({"Origin": ORIGIN}, 200, ORIGIN),
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
            for method, path in [("GET", "/"), ("POST", PATH)]
        )

    assert (page.status_code, picture.status_code) == (status, status)
    assert picture.headers.get("Access-Control-Allow-Origin") == allowed
