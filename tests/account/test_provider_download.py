"""Downloads over real connections: TLS, redirects, sizes and broken responses."""

import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from generate_image.deadline import Deadline
from generate_image.errors import DownloadError, ProviderResponseError
from generate_image.picture import LARGEST_BYTES
from generate_image.provider.download import Downloader, first_address
from tests.memory_s3 import Clock
from tests.provider_server import PICTURE, ProviderServer, Responder, respond, write

FOUND = respond(200, PICTURE)


def downloader(*hosts: str, address: str | None = None, ssl_context: ssl.SSLContext | None = None) -> Downloader:
    deadline = Deadline(Clock())
    deadline.start(60)
    return Downloader(
        hosts,
        deadline,
        reserve_seconds=20,
        resolve=lambda host, port: address or first_address(host, port),
        ssl_context=ssl_context,
    )


def fetch(*responders: Responder) -> bytes:
    """Download from a provider on this machine that serves its pictures itself."""
    with ProviderServer(*responders) as server:
        url = f"{server.base_url}/a.png?signature=1"
        with downloader().fetch(url, server.base_url) as file:
            return file.read()


def test_picture_is_downloaded_without_the_key() -> None:
    server = ProviderServer(FOUND)
    with server, downloader().fetch(f"{server.base_url}/a.png?signature=1", server.base_url) as file:
        assert file.read() == PICTURE
    assert server.requests[0].path == "/v1/a.png?signature=1"
    assert "authorization" not in server.requests[0].headers


def test_redirect_within_the_host_is_followed() -> None:
    assert fetch(respond(302, b"", Location="/b.png"), FOUND) == PICTURE


@pytest.mark.parametrize(
    ("location", "why"),
    [
        ("http://10.0.0.8/a.png", "not a plain https URL"),
        ("https://evil.example/a.png", "DOWNLOAD_HOSTS"),
        ("file:///etc/passwd", "not a plain https URL"),
        ("/a.png", "redirects more than 3 times"),
        ("", "HTTP 302"),
    ],
)
def test_redirect_is_checked_like_the_url(location: str, why: str) -> None:
    with pytest.raises(DownloadError, match=why):
        fetch(respond(302, b"", Location=location))


@pytest.mark.parametrize(
    ("responder", "why"),
    [
        (respond(403, b""), "HTTP 403, as for an expired URL"),
        (respond(503, b""), r"HTTP 503\. "),
        (write(b""), "its download failed"),
        (write(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n\x89PNG"), "its download failed"),
    ],
    ids=["403", "503", "closed", "truncated"],
)
def test_broken_response_is_a_download_error(responder: Responder, why: str) -> None:
    with pytest.raises(DownloadError, match=why):
        fetch(responder)


def test_file_larger_than_any_picture_is_refused() -> None:
    with pytest.raises(ProviderResponseError, match="no picture is that large"):
        fetch(respond(200, b"\0" * (LARGEST_BYTES + 1)))


class TlsHost:
    """A server with a self-signed certificate for one name. names: those that clients sent (SNI)."""

    def __init__(self, folder: Path, name: x509.GeneralName) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([name]), critical=False)
            .sign(key, hashes.SHA256())
        )
        pem = folder / "host.pem"
        pem.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        self.trusting = ssl.create_default_context(cafile=pem)
        self.names: list[str | None] = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        context.sni_callback = lambda _socket, sent, _context: self.names.append(sent)
        self.server = ProviderServer(FOUND, context=context)

    def url(self, host: str) -> str:
        return f"https://{host}:{self.server.port}/a.png"


@pytest.fixture
def localhost(tmp_path: Path) -> Iterator[TlsHost]:
    host = TlsHost(tmp_path, x509.DNSName("localhost"))
    with host.server:
        yield host


def test_certificate_is_checked_for_the_name_of_the_url(localhost: TlsHost) -> None:
    url = localhost.url("localhost")
    with downloader(address="127.0.0.1", ssl_context=localhost.trusting).fetch(url, url) as file:
        assert file.read() == PICTURE
    assert localhost.names == ["localhost"]


def test_connection_goes_to_the_checked_address(tmp_path: Path) -> None:
    """The URL's host is ::1, on whose port no server listens."""
    host = TlsHost(tmp_path, x509.IPAddress(ip_address("::1")))
    url = host.url("[::1]")
    with host.server, downloader(address="127.0.0.1", ssl_context=host.trusting).fetch(url, url) as file:
        assert file.read() == PICTURE


def test_untrusted_certificate_is_refused(localhost: TlsHost) -> None:
    url = localhost.url("localhost")
    with pytest.raises(DownloadError, match="SSLError"):
        downloader().fetch(url, url)


def test_certificate_of_another_name_is_refused(localhost: TlsHost) -> None:
    url = localhost.url("127.0.0.1")
    with pytest.raises(DownloadError, match="SSLError"):
        downloader(ssl_context=localhost.trusting).fetch(url, url)


def test_name_without_an_address_is_a_download_error() -> None:
    def resolve(_host: str, _port: int) -> str:
        raise socket.gaierror

    deadline = Deadline(Clock())
    deadline.start(60)
    with pytest.raises(DownloadError, match="gaierror"):
        Downloader((), deadline, reserve_seconds=0, resolve=resolve).fetch("https://host/a.png", "https://host/v1")
