"""Which URLs may be downloaded."""

import pytest

from generate_image.deadline import Deadline
from generate_image.errors import DownloadError
from generate_image.provider.download import Downloader, is_public

PROVIDER = "https://api.openai.com/v1"


def downloader(*hosts: str, address: str = "93.184.215.14", seconds: float = 30) -> Downloader:
    """Return one whose time is over before a connection is made, if the URL is allowed."""
    deadline = Deadline(lambda: 0.0)
    deadline.start(seconds)
    return Downloader(hosts, deadline, reserve_seconds=20, resolve=lambda _host, _port: address)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://api.openai.com/a.png", "not a plain https URL"),
        ("ftp://api.openai.com/a.png", "not a plain https URL"),
        ("file:///etc/passwd", "not a plain https URL"),
        ("https://user:secret@api.openai.com/a.png", "not a plain https URL"),
        ("https://:secret@api.openai.com/a.png", "not a plain https URL"),
        ("https://@api.openai.com/a.png", "not a plain https URL"),
        ("a.png", "not a plain https URL"),
        ("https://evil.example/a.png", "DOWNLOAD_HOSTS"),
        ("https://api.openai.com.evil.example/a.png", "DOWNLOAD_HOSTS"),
        ("https://evilcdn.example.com/a.png", "DOWNLOAD_HOSTS"),
        ("https://evil-files.example.com/a.png", "DOWNLOAD_HOSTS"),
        ("https://169.254.169.254/latest/meta-data", "DOWNLOAD_HOSTS"),
        ("http://127.0.0.1:9001/2018-06-01/runtime/invocation/next", "not a plain https URL"),
        ("https://[::1/a.png", "ValueError"),
        ("https://api.openai.com:99999/a.png", "ValueError"),
    ],
)
def test_other_url_is_refused(url: str, why: str) -> None:
    with pytest.raises(DownloadError, match=why):
        downloader(".cdn.example.com", "files.example.com").fetch(url, PROVIDER)


@pytest.mark.parametrize(
    "url",
    ["https://api.openai.com/a.png", "https://files.example.com/a.png", "https://a.cdn.example.com/a.png"],
)
def test_allowed_host_with_a_private_address_is_refused(url: str) -> None:
    with pytest.raises(DownloadError, match="no public address"):
        downloader(".cdn.example.com", "Files.example.com", address="10.0.0.8").fetch(url, PROVIDER)


def test_loopback_of_another_port_than_the_provider_is_refused() -> None:
    with pytest.raises(DownloadError, match="no public address"):
        downloader("localhost", address="127.0.0.1").fetch("https://localhost:8443/a.png", "http://localhost:1/v1")


def test_download_leaves_the_reserve() -> None:
    with pytest.raises(DownloadError, match="DeadlineExceededError"):
        downloader(seconds=20).fetch("https://api.openai.com/a.png", PROVIDER)


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
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fd00:ec2::254", False),
        ("ff0e::1", False),
        ("::ffff:169.254.169.254", False),
        ("::ffff:0:169.254.169.254", False),
        ("::169.254.169.254", False),
        ("64:ff9b::a9fe:a9fe", False),
        ("64:ff9b:1::a9fe:a9fe", False),
        ("2001::1", False),
        ("2001:db8::1", False),
        ("2002:a9fe:a9fe::1", False),
        ("3fff::1", False),
        ("5f00::1", False),
        ("fec0::1", False),
    ],
)
def test_only_public_addresses_are_connected_to(address: str, *, public: bool) -> None:
    assert is_public(address) == public
