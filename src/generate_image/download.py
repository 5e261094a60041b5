"""Fetching a picture from the URL that the provider gave, and from nowhere else.

The URL comes from outside, and inside the function's sandbox the Runtime API listens on loopback and the credentials
on a link-local address. So the host must be the provider's or on the operator's list, its address must be a public
one, the connection goes to the very address that was checked, and each redirect is judged like the first URL.
"""

import ssl
from collections.abc import Sequence
from contextlib import ExitStack, closing
from ipaddress import ip_address
from socket import SOCK_STREAM, getaddrinfo
from tempfile import TemporaryFile
from typing import IO
from urllib.parse import SplitResult, urljoin, urlsplit

import certifi
import urllib3
from urllib3.exceptions import HTTPError
from urllib3.util import Timeout

from generate_image.deadline import Deadline, DeadlineExceededError
from generate_image.errors import DownloadError, ProviderResponseError
from generate_image.pictures import LARGEST_BYTES
from generate_image.provider_connection import USER_AGENT
from generate_image.settings import LOOPBACK_HOSTS

CONNECT_SECONDS = 5.0
READ_SECONDS = 20.0
REDIRECTS = 3
CHUNK_BYTES = 64 * 1024
REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})
OK = 200
DEAD_STATUSES = frozenset({403, 404, 410})


class Downloader:
    """Fetches pictures by URL within the rules above."""

    def __init__(self, allowed_hosts: Sequence[str], *, ssl_context: ssl.SSLContext | None = None) -> None:
        """allowed_hosts: names, or ``.suffixes`` of names. ssl_context: by default, public authorities."""
        self._allowed_hosts = tuple(host.lower() for host in allowed_hosts)
        self._ssl_context = ssl_context

    def fetch(self, url: str, provider_url: str, deadline: Deadline) -> IO[bytes]:
        """Return a temporary file that holds the picture, at its beginning; it is never whole in memory.

        provider_url: the base URL of the provider that gave the URL. Raises DownloadError, after which another try
        buys nothing, and ProviderResponseError where the URL holds more than any picture has.
        """
        provider = urlsplit(provider_url)
        try:
            return deadline.run(lambda: self._follow(url, provider, deadline))
        except (HTTPError, OSError, ValueError, DeadlineExceededError) as error:
            raise DownloadError(
                f"The picture was bought, but fetching it failed ({type(error).__name__}). Try again with the same "
                "idempotency key: nothing is bought twice."
            ) from error

    def _follow(self, url: str, provider: SplitResult, deadline: Deadline) -> IO[bytes]:
        for _ in range(REDIRECTS + 1):
            parts = urlsplit(url)
            with self._open(parts, provider, deadline) as pool:
                target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
                headers = {"Host": parts.netloc, "User-Agent": USER_AGENT}
                response = pool.urlopen("GET", target, headers=headers, redirect=False, preload_content=False)
                with closing(response):
                    if response.status == OK:
                        return _keep(response, deadline)
                    if response.status not in REDIRECT_STATUSES or not response.headers.get("location"):
                        raise _answered(response.status)
                    url = urljoin(url, response.headers["location"])
        raise _refused(f"it redirects more than {REDIRECTS} times")

    def _open(self, parts: SplitResult, provider: SplitResult, deadline: Deadline) -> urllib3.HTTPConnectionPool:
        """Return a pool that connects to the checked address of an allowed host."""
        host = (parts.hostname or "").lower()
        port = parts.port or (443 if parts.scheme == "https" else 80)
        # Development: a provider on this machine may serve its pictures itself, on its own port.
        local = host in LOOPBACK_HOSTS and (parts.hostname, parts.port) == (provider.hostname, provider.port)
        if parts.username or not (parts.scheme == "https" or (parts.scheme == "http" and local)):
            raise _refused("it is not a plain https URL")
        if host != (provider.hostname or "").lower() and not any(_matches(host, name) for name in self._allowed_hosts):
            raise _refused("its host is not allowed; an operator can add it to DOWNLOAD_HOSTS")
        address = str(getaddrinfo(host, port, type=SOCK_STREAM)[0][4][0])
        if not local and not _is_public(address):
            raise _refused("its host has no public address")
        timeout = Timeout(
            connect=min(CONNECT_SECONDS, deadline.remaining()), read=min(READ_SECONDS, deadline.remaining())
        )
        if parts.scheme == "http":
            return urllib3.HTTPConnectionPool(address, port, timeout=timeout, retries=False)
        context = self._ssl_context or ssl.create_default_context(cafile=certifi.where())
        return urllib3.HTTPSConnectionPool(
            address,
            port,
            timeout=timeout,
            retries=False,
            ssl_context=context,
            server_hostname=host,
            assert_hostname=host,
        )


def _matches(host: str, allowed: str) -> bool:
    return host.endswith(allowed) if allowed.startswith(".") else host == allowed


def _is_public(address: str) -> bool:
    parsed = ip_address(address.partition("%")[0])
    embedded = getattr(parsed, "ipv4_mapped", None) or getattr(parsed, "sixtofour", None)
    return parsed.is_global and not parsed.is_multicast and (embedded is None or embedded.is_global)


def _refused(why: str) -> DownloadError:
    return DownloadError(f"The picture was bought, but its URL could not be fetched: {why}. Nothing is bought twice.")


def _answered(status: int) -> DownloadError:
    dead = ", as for a URL that has run out: then only a new idempotency key buys another"
    return _refused(f"its host answered HTTP {status}{dead if status in DEAD_STATUSES else ''}")


def _keep(response: urllib3.BaseHTTPResponse, deadline: Deadline) -> IO[bytes]:
    """Return the body in a temporary file, at its beginning. Raises DeadlineExceededError once nobody waits for it."""
    with ExitStack() as on_error:
        file = on_error.enter_context(TemporaryFile())
        size = 0
        for chunk in response.stream(CHUNK_BYTES, decode_content=False):
            if deadline.remaining() == 0:
                raise DeadlineExceededError
            size += len(chunk)
            if size > LARGEST_BYTES:
                raise ProviderResponseError(
                    f"The provider's URL holds more than {LARGEST_BYTES} bytes: no such picture."
                )
            file.write(chunk)
        file.seek(0)
        on_error.pop_all()  # the caller closes it
        return file
