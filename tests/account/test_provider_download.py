"""Downloads: the URLs that are allowed, and real connections: TLS, redirects, sizes and broken responses."""

import ssl
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from werkzeug.serving import make_ssl_devcert

from generate_image.deadline import Deadline
from generate_image.errors import DownloadError, ProviderResponseError
from generate_image.picture import LARGEST_BYTES
from generate_image.provider.download import Downloader, first_address, is_public
from tests.memory_s3 import Clock
from tests.provider_server import PICTURE, ProviderServer, Responder, respond, write

OPENAI = "https://api.openai.com/v1"
FOUND = respond(200, PICTURE)


def fetch(
    url: str,
    *,
    provider: str = "",
    resolve: Callable[[str, int], str] = first_address,
    seconds: float = 60,
    ssl_context: ssl.SSLContext | None = None,
) -> bytes:
    """Download from a provider; default: from one on this machine that serves its pictures itself."""
    deadline = Deadline(Clock())
    deadline.start(seconds)
    hosts = (".cdn.example.com", "Files.example.com", "localhost")
    downloader = Downloader(hosts, deadline, reserve_seconds=20, resolve=resolve, ssl_context=ssl_context)
    with downloader.fetch(url, provider or url) as file:
        return file.read()


def loopback(_host: str, _port: int) -> str:
    return "127.0.0.1"


def redirect(location: str) -> Responder:
    return respond(302, b"", Location=location)


REFUSED = {
    "not a plain https URL": """
        http://api.openai.com/a.png ftp://api.openai.com/a.png file:///etc/passwd a.png
        https://user:secret@api.openai.com/a.png https://@api.openai.com/a.png
        http://127.0.0.1:9001/2018-06-01/runtime/invocation/next
    """,
    "DOWNLOAD_HOSTS": """
        https://evil.example/a.png https://api.openai.com.evil.example/a.png https://evilcdn.example.com/a.png
        https://evil-files.example.com/a.png https://169.254.169.254/latest/meta-data
    """,
    "ValueError": "https://[::1/a.png https://api.openai.com:99999/a.png",
    "no public address": """
        https://API.openai.com/a.png https://files.example.com/a.png https://a.cdn.example.com/a.png
        https://localhost:8443/a.png
    """,
}
"""URLs by the reason. The host of the last ones is allowed, but its address is private."""


@pytest.mark.parametrize(("url", "why"), [(url, why) for why, urls in REFUSED.items() for url in urls.split()])
def test_other_url_is_refused(url: str, why: str) -> None:
    def resolve(_host: str, port: int) -> str:
        assert port == (urlsplit(url).port or 443)
        return "10.0.0.8"

    with pytest.raises(DownloadError, match=why):
        fetch(url, provider=OPENAI, resolve=resolve)


def test_url_is_refused_before_a_connection() -> None:
    with pytest.raises(DownloadError, match="no public address"):
        fetch("https://localhost:8443/a.png", provider="http://localhost:1/v1")
    with pytest.raises(DownloadError, match="DeadlineExceededError"):
        fetch("https://files.example.com/a.png", provider=OPENAI, resolve=lambda *_: "93.184.215.14", seconds=20)


PUBLIC = "93.184.215.14 2606:2800:21f:cb07::1"
OTHER = """
    127.0.0.1 10.1.2.3 172.16.0.1 192.168.1.1 169.254.169.254 100.64.0.1 0.0.0.0 224.0.0.1 255.255.255.255
    :: ::1 fe80::1%eth0 fd00:ec2::254 ff0e::1 ::ffff:169.254.169.254 ::ffff:0:169.254.169.254 ::169.254.169.254
    64:ff9b::a9fe:a9fe 64:ff9b:1::a9fe:a9fe 2001::1 2001:db8::1 2002:a9fe:a9fe::1 3fff::1 5f00::1 fec0::1
"""


def test_only_public_addresses_are_connected_to() -> None:
    addresses = f"{PUBLIC} {OTHER}".split()
    assert [address for address in addresses if is_public(address)] == PUBLIC.split()


def test_picture_is_downloaded_without_the_key() -> None:
    with ProviderServer(redirect("/b.png?signature=1"), redirect("c"), redirect("d"), FOUND) as server:
        assert fetch(f"{server.base_url}/a.png?signature=0") == PICTURE
    paths = [request.path for request in server.requests]
    assert paths == ["/v1/a.png?signature=0", "/b.png?signature=1", "/c", "/d"]
    assert all("authorization" not in request.headers for request in server.requests)


def test_connection_goes_to_the_checked_address() -> None:
    """No server listens on the port at ::1, which is the URL's host."""
    with ProviderServer(FOUND) as server:
        assert fetch(f"http://[::1]:{server.port}/", resolve=loopback) == PICTURE
    assert server.requests[0].headers["host"] == f"[::1]:{server.port}"


@pytest.mark.parametrize(
    ("responder", "why"),
    [
        (redirect("http://10.0.0.8/a.png"), "not a plain https URL"),
        (redirect("https://evil.example/a.png"), "DOWNLOAD_HOSTS"),
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
        assert fetch(url, resolve=loopback, ssl_context=trusting) == PICTURE
        assert names == ["localhost"]
        with pytest.raises(DownloadError, match="SSLError"):
            fetch(url)  # the default context does not trust the certificate
        with pytest.raises(DownloadError, match="SSLError"):
            fetch(url.replace("localhost", "127.0.0.1"), ssl_context=trusting)
