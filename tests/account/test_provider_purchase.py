"""One purchase over real connections: its request, its connection and its response."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from generate_image.credentials import Credentials
from generate_image.errors import (
    OutcomeUnknownError,
    ProviderResponseError,
    ProviderUnavailableError,
)
from generate_image.picture import BoughtPicture, Usage
from generate_image.provider.connection import LARGEST_RESPONSE_BYTES
from generate_image.provider.images_api import ATTEMPTS, Purchase
from tests.account.buyer import FIRST, Buyer
from tests.provider_server import (
    PICTURE,
    ProviderServer,
    Request,
    picture,
    respond,
)


@contextmanager
def closed_port() -> Iterator[int]:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield int(bound.getsockname()[1])


def test_purchase_has_the_facts_of_the_response() -> None:
    with ProviderServer(picture()) as server:
        bought = Buyer(server.base_url).buy()
    assert bought == Purchase(BoughtPicture(FIRST, "req_1", Usage(9, 439, 448), 0.0132, None), 0, PICTURE)
    assert server.requests[0].path == "/v1/images/generations"
    assert server.requests[0].headers["authorization"] == "Bearer sk-one"


def test_netrc_file_does_not_replace_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    credentials = Credentials("sk-one", organization="org-1", project="proj_1")
    with ProviderServer(picture()) as server:
        Buyer(server.base_url).buy(credentials)
    headers = server.requests[0].headers
    assert headers["authorization"] == "Bearer sk-one"
    assert (headers["openai-organization"], headers["openai-project"]) == ("org-1", "proj_1")


def test_each_purchase_has_its_own_connection() -> None:
    with ProviderServer(picture()) as server:
        buyer = Buyer(server.base_url)
        buyer.buy()
        buyer.buy()
    assert server.connections == len(server.requests) == 2
    assert {request.headers["connection"] for request in server.requests} == {"close"}


def test_redirect_is_not_followed() -> None:
    with ProviderServer(picture()) as other:
        redirect = respond(307, b"", Location=f"{other.base_url}/images/generations")
        with ProviderServer(redirect) as server, pytest.raises(OutcomeUnknownError, match="HTTP 307"):
            Buyer(server.base_url).buy()
    assert other.connections == 0


def test_interim_responses_are_skipped() -> None:
    def interim(connection: socket.socket, request: Request) -> None:
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n")
        connection.sendall(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 3\r\n\r\n")
        picture()(connection, request)

    with ProviderServer(interim) as server:
        assert Buyer(server.base_url).buy().content == PICTURE


def test_response_larger_than_any_picture_is_refused() -> None:
    content = b" " * (LARGEST_RESPONSE_BYTES + 1)
    with ProviderServer(respond(200, content)) as server, pytest.raises(ProviderResponseError, match="larg"):
        Buyer(server.base_url).buy()


def test_response_without_a_picture_is_refused() -> None:
    server = ProviderServer(respond(200, {"data": []}, x_request_id="req_7"))
    with server, pytest.raises(ProviderResponseError, match="It may be billed") as raised:
        Buyer(server.base_url).buy()
    assert raised.value.provider_request_id == "req_7"
    assert len(server.requests) == 1


def test_failed_connection_is_retried_and_names_the_host() -> None:
    with closed_port() as port:
        buyer = Buyer(f"http://127.0.0.1:{port}/v1")
        with pytest.raises(ProviderUnavailableError, match=rf"No connection to 127\.0\.0\.1:{port} could be made"):
            buyer.buy()
    assert len(buyer.waits) == ATTEMPTS - 1


def test_failed_tls_handshake_proves_that_nothing_was_sent() -> None:
    with ProviderServer(picture()) as server, pytest.raises(ProviderUnavailableError, match="nothing was bought"):
        Buyer(server.base_url.replace("http", "https")).buy()


def test_host_name_that_cannot_exist_is_unavailable() -> None:
    with pytest.raises(ProviderUnavailableError, match=r"to a\.\.b could"):
        Buyer("https://a..b/v1").buy()


def test_credentials_choose_the_host() -> None:
    with ProviderServer(picture()) as server:
        assert Buyer("https://nowhere.invalid/v1").buy(Credentials("sk-one", base_url=server.base_url)).content
