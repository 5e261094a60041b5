"""A picture's URL is fetched from where it may be, and from nowhere else."""

import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address
from pathlib import Path
from threading import Thread
from time import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from generate_image.deadline import Deadline
from generate_image.download import Downloader, _is_public
from generate_image.errors import DownloadError, ProviderResponseError
from local.openai_stand_in import StandIn
from tests.module import Module, event_for

PROVIDER = "https://api.openai.com/v1"
PICTURE = b"\x89PNG\r\n\x1a\n" + b"\0" * 100


def in_seconds(seconds: float = 10) -> Deadline:
    return Deadline(time() + seconds, time)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://api.openai.com/a.png", "not a plain https URL"),
        ("ftp://api.openai.com/a.png", "not a plain https URL"),
        ("file:///etc/passwd", "not a plain https URL"),
        ("https://user:secret@api.openai.com/a.png", "not a plain https URL"),
        ("a.png", "not a plain https URL"),
        ("https://evil.example/a.png", "DOWNLOAD_HOSTS"),
        ("https://api.openai.com.evil.example/a.png", "DOWNLOAD_HOSTS"),
        ("https://evilcdn.example.com/a.png", "DOWNLOAD_HOSTS"),
        ("https://169.254.169.254/latest/meta-data", "DOWNLOAD_HOSTS"),
        ("https://127.0.0.1/a.png", "no public address"),
        ("https://[::1]/a.png", "no public address"),
        ("https://10.0.0.8/a.png", "no public address"),
        ("http://127.0.0.1:9001/2018-06-01/runtime/invocation/next", "not a plain https URL"),
    ],
)
def test_another_place_is_refused_before_a_connection(url: str, why: str) -> None:
    hosts = (".cdn.example.com", "127.0.0.1", "::1", "10.0.0.8")
    with pytest.raises(DownloadError, match=why):
        Downloader(hosts).fetch(url, PROVIDER, in_seconds())


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.215.14", True),
        ("2606:2800:21f:cb07::1", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fd00:ec2::254", False),
        ("::ffff:169.254.169.254", False),
        ("2002:a9fe:a9fe::1", False),
    ],
)
def test_which_addresses_are_public(address: str, *, public: bool) -> None:
    assert _is_public(address) == public


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("url_not_found", "HTTP 404, as for a URL that has run out"),
        ("url_forbidden", "HTTP 403"),
        ("url_unavailable", "HTTP 503"),
        ("url_redirects_to_private_address", "not a plain https URL"),
        ("url_redirects_to_foreign_host", "DOWNLOAD_HOSTS"),
        ("url_redirects_to_file", "not a plain https URL"),
        ("url_redirect_loop", "redirects more than 3 times"),
        ("url_closed", "failed"),
        ("url_reset", "failed"),
        ("url_truncated", "failed"),
        ("url_private_address", "not a plain https URL"),
        ("url_foreign_host", "DOWNLOAD_HOSTS"),
    ],
)
def test_a_picture_that_cannot_be_fetched_is_not_bought_again(
    module: Module, stand_in: StandIn, fault: str, why: str
) -> None:
    stand_in.script(fault)
    event = event_for("a lighthouse", idempotency_key="k")
    for _ in range(2):
        with pytest.raises(DownloadError, match=why):
            module.invoke(event)
    assert stand_in.ledger()["billed"] == stand_in.ledger()["requests"] == 1
    assert [record["status"] for record in module.records()] == ["generated"]


@pytest.mark.parametrize("fault", ["url_closed", "url_unavailable", "url_truncated"])
def test_a_download_that_failed_succeeds_on_asking_again(module: Module, stand_in: StandIn, fault: str) -> None:
    stand_in.script(fault, downloads=1)
    event = event_for("a lighthouse", idempotency_key="k")
    with pytest.raises(DownloadError):
        module.invoke(event)
    answer = module.invoke(event)
    assert answer["_meta_"]["replayed"]
    assert stand_in.ledger()["billed"] == 1


def test_a_redirect_within_the_host_is_followed(module: Module, stand_in: StandIn) -> None:
    stand_in.script("url_redirects")
    assert module.invoke(event_for("a lighthouse"))["_meta_"]["content_type"] == "image/png"


def test_a_picture_that_drips_ends_with_the_deadline(module: Module, stand_in: StandIn) -> None:
    stand_in.script("url_drips", pause=0.9)  # no single read takes long
    with pytest.raises(DownloadError, match="DeadlineExceededError"):
        module.invoke(event_for("a lighthouse"), seconds=8)


def test_too_large_a_picture_is_none(module: Module, stand_in: StandIn) -> None:
    stand_in.script("url_oversize")
    with pytest.raises(ProviderResponseError, match="no such picture"):
        module.invoke(event_for("a lighthouse"))


class Host:
    """An https host with a certificate of an authority of its own, for ``name``."""

    def __init__(self, directory: Path, name: str) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(now - timedelta(minutes=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .sign(key, hashes.SHA256())
        )
        self.authority = directory / "authority.pem"
        self.authority.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        private = directory / "key.pem"
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.authority, private)
        self.server = HTTPServer(("127.0.0.1", 0), _Pictures)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server.server_address[1])

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class _Pictures(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(PICTURE)))
        self.end_headers()
        self.wfile.write(PICTURE)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    host = Host(tmp_path, "localhost")
    yield host
    host.close()


def test_https_is_spoken_to_the_name_at_the_checked_address(host: Host) -> None:
    trusting = ssl.create_default_context(cafile=str(host.authority))
    url = f"https://localhost:{host.port}/a.png?signature=1"
    provider = f"https://localhost:{host.port}/v1"
    with Downloader((), ssl_context=trusting).fetch(url, provider, in_seconds()) as file:
        assert file.read() == PICTURE


def test_a_certificate_that_is_not_trusted_is_refused(host: Host) -> None:
    url = f"https://localhost:{host.port}/a.png"
    with pytest.raises(DownloadError, match="SSLError"):
        Downloader(()).fetch(url, f"https://localhost:{host.port}/v1", in_seconds())


def test_a_certificate_for_another_name_is_refused(host: Host) -> None:
    trusting = ssl.create_default_context(cafile=str(host.authority))
    url = f"https://127.0.0.1:{host.port}/a.png"
    with pytest.raises(DownloadError, match="SSLError"):
        Downloader((), ssl_context=trusting).fetch(url, f"https://127.0.0.1:{host.port}/v1", in_seconds())


def test_loopback_on_another_port_than_the_providers_is_refused(host: Host) -> None:
    with pytest.raises(DownloadError, match="no public address"):
        Downloader(("localhost",)).fetch(f"https://localhost:{host.port}/a.png", "http://localhost:1/v1", in_seconds())


def test_a_name_of_a_private_address_is_refused() -> None:
    """A public name may point into the network that the function runs in."""
    name = socket.gethostname()
    addresses = {info[4][0] for info in socket.getaddrinfo(name, 443)}
    assert not any(ip_address(address).is_global for address in addresses), "this machine's own name is not public"
    with pytest.raises(DownloadError, match="no public address"):
        Downloader((name.lower(),)).fetch(f"https://{name}/a.png", PROVIDER, in_seconds())
