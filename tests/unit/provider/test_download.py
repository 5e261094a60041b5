"""Which URLs may be downloaded."""

import socket
from urllib.parse import urlsplit

import pytest

from generate_image.deadline import Deadline
from generate_image.errors import DownloadError
from generate_image.provider.download import Downloader, is_public

PROVIDER = "https://api.openai.com/v1"


def refusal(url: str, *, address: str | None = "10.0.0.8", seconds: float = 30, provider: str = PROVIDER) -> str:
    """Return the reason of a refusal. address: of the host; None: it has none."""

    def resolve(_host: str, port: int) -> str:
        assert port == (urlsplit(url).port or 443)
        if address is None:
            raise socket.gaierror
        return address

    deadline = Deadline(lambda: 0.0)
    deadline.start(seconds)
    hosts = (".cdn.example.com", "Files.example.com", "localhost")
    with pytest.raises(DownloadError) as raised:
        Downloader(hosts, deadline, reserve_seconds=20, resolve=resolve).fetch(url, provider)
    return str(raised.value)


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
    assert why in refusal(url)


def test_url_is_refused_before_a_connection() -> None:
    provider, openai = "http://localhost:1/v1", "https://api.openai.com/a.png"
    assert "no public address" in refusal("https://localhost:8443/a.png", address="127.0.0.1", provider=provider)
    assert "gaierror" in refusal(openai, address=None)
    assert "DeadlineExceededError" in refusal(openai, address="93.184.215.14", seconds=20)  # all of it is reserved


PUBLIC = "93.184.215.14 2606:2800:21f:cb07::1"
OTHER = """
    127.0.0.1 10.1.2.3 172.16.0.1 192.168.1.1 169.254.169.254 100.64.0.1 0.0.0.0 224.0.0.1 255.255.255.255
    :: ::1 fe80::1%eth0 fd00:ec2::254 ff0e::1 ::ffff:169.254.169.254 ::ffff:0:169.254.169.254 ::169.254.169.254
    64:ff9b::a9fe:a9fe 64:ff9b:1::a9fe:a9fe 2001::1 2001:db8::1 2002:a9fe:a9fe::1 3fff::1 5f00::1 fec0::1
"""


def test_only_public_addresses_are_connected_to() -> None:
    addresses = f"{PUBLIC} {OTHER}".split()
    assert [address for address in addresses if is_public(address)] == PUBLIC.split()
