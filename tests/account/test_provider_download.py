"""Downloads over real connections: TLS, redirects, sizes and broken responses."""

import ssl
from pathlib import Path

import pytest
from werkzeug.serving import make_ssl_devcert

from generate_image.deadline import Deadline
from generate_image.errors import DownloadError, ProviderResponseError
from generate_image.picture import LARGEST_BYTES
from generate_image.provider.download import Downloader, first_address
from tests.memory_s3 import Clock
from tests.provider_server import PICTURE, ProviderServer, Responder, respond, write

FOUND = respond(200, PICTURE)


def fetch(url: str, *, address: str | None = None, ssl_context: ssl.SSLContext | None = None) -> bytes:
    """Download from a provider on this machine that serves its pictures itself. address: default: the host's."""
    deadline = Deadline(Clock())
    deadline.start(60)
    downloader = Downloader(
        (),
        deadline,
        reserve_seconds=20,
        resolve=lambda host, port: address or first_address(host, port),
        ssl_context=ssl_context,
    )
    with downloader.fetch(url, url) as file:
        return file.read()


def redirect(location: str) -> Responder:
    return respond(302, b"", Location=location)


def test_picture_is_downloaded_without_the_key() -> None:
    with ProviderServer(redirect("/b.png?signature=1"), redirect("c"), redirect("d"), FOUND) as server:
        assert fetch(f"{server.base_url}/a.png?signature=0") == PICTURE
    paths = [request.path for request in server.requests]
    assert paths == ["/v1/a.png?signature=0", "/b.png?signature=1", "/c", "/d"]
    assert all("authorization" not in request.headers for request in server.requests)


def test_connection_goes_to_the_checked_address() -> None:
    """No server listens on the port at ::1, which is the URL's host."""
    with ProviderServer(FOUND) as server:
        assert fetch(f"http://[::1]:{server.port}/", address="127.0.0.1") == PICTURE
    assert server.requests[0].headers["host"] == f"[::1]:{server.port}"


@pytest.mark.parametrize(
    ("responder", "why"),
    [
        (redirect("http://10.0.0.8/a.png"), "not a plain https URL"),
        (redirect("https://evil.example/a.png"), "DOWNLOAD_HOSTS"),
        (redirect("file:///etc/passwd"), "not a plain https URL"),
        (redirect("/a.png"), "redirects more than 3 times"),
        (redirect(""), "HTTP 302"),
        (respond(403, b"", Location="/b.png"), "HTTP 403, as for an expired URL"),
        (respond(503, b""), r"HTTP 503\. "),
        (write(b""), "its download failed"),
        (write(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n\x89PNG"), "its download failed"),
    ],
)
def test_broken_response_is_a_download_error(responder: Responder, why: str) -> None:
    with ProviderServer(responder) as server, pytest.raises(DownloadError, match=why):
        fetch(f"{server.base_url}/a.png")


def test_file_larger_than_any_picture_is_refused() -> None:
    server = ProviderServer(respond(200, b"\0" * (LARGEST_BYTES + 1)))
    with server, pytest.raises(ProviderResponseError, match="no picture is that large"):
        fetch(f"{server.base_url}/a.png")


def test_certificate_is_checked_for_the_name_of_the_url(tmp_path: Path) -> None:
    certificate, key = make_ssl_devcert(str(tmp_path / "host"), cn="localhost")
    trusting = ssl.create_default_context(cafile=certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    names: list[str | None] = []
    context.sni_callback = lambda _socket, sent, _context: names.append(sent)
    with ProviderServer(FOUND, context=context) as server:
        url = f"https://localhost:{server.port}/a.png"
        assert fetch(url, address="127.0.0.1", ssl_context=trusting) == PICTURE
        assert names == ["localhost"]
        with pytest.raises(DownloadError, match="SSLError"):
            fetch(url)  # the default context does not trust the certificate
        with pytest.raises(DownloadError, match="SSLError"):
            fetch(url.replace("localhost", "127.0.0.1"), ssl_context=trusting)
