"""Downloads a picture from the URL that the provider returned.

The URL comes from outside. Inside the function's sandbox, the Runtime API listens on loopback and credentials are on a
link-local address. So the host must be the provider's or on the operator's list, its address must be public, the
connection goes to the checked address, and each redirect is checked like the first URL.
"""

import ssl
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from functools import partial
from ipaddress import IPv4Address, IPv6Network, ip_address
from socket import SOCK_STREAM, getaddrinfo
from tempfile import TemporaryFile
from typing import IO
from urllib.parse import SplitResult, urljoin, urlsplit

import certifi
import urllib3
from urllib3.exceptions import HTTPError
from urllib3.util import Timeout

from generate_image.deadline import Deadline
from generate_image.errors import DownloadError, ProviderResponseError
from generate_image.picture import LARGEST_BYTES
from generate_image.provider.connection import CONNECT_SECONDS, USER_AGENT
from generate_image.provider.time_limit import limit_time, time_left
from generate_image.settings import LOOPBACK_HOSTS

READ_SECONDS = 20.0
REDIRECTS = 3
CHUNK_BYTES = 64 * 1024
REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})
OK = 200
DEAD_STATUSES = frozenset({403, 404, 410})

GLOBAL_UNICAST = IPv6Network("2000::/3")
"""Every other IPv6 network embeds an IPv4 address, is local or is reserved:
https://www.iana.org/assignments/ipv6-address-space/ipv6-address-space.xhtml
"""
REFUSED_GLOBAL_UNICAST = (
    IPv6Network("2002::/16"),  # 6to4 embeds an IPv4 address: RFC 7526
    IPv6Network("3fff::/20"),  # documentation: RFC 9637
)


def first_address(host: str, port: int) -> str:
    """Return the first IP address of a host. Raises OSError."""
    return str(getaddrinfo(host, port, type=SOCK_STREAM)[0][4][0])


class Downloader:
    """Downloads pictures by the rules above."""

    def __init__(
        self,
        allowed_hosts: Sequence[str],
        deadline: Deadline,
        *,
        reserve_seconds: float,
        resolve: Callable[[str, int], str] = first_address,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        """allowed_hosts: names, or ``.suffixes`` of names. reserve_seconds: kept for other steps.

        resolve: returns a host's IP address. ssl_context: default: the public certificate authorities.
        """
        self._allowed_hosts = tuple(host.lower() for host in allowed_hosts)
        self._remaining = partial(deadline.remaining, reserve_seconds)
        self._resolve = resolve
        self._ssl_context = ssl_context

    def fetch(self, url: str, provider_url: str) -> IO[bytes]:
        """Return the picture in a temporary file, at its beginning. The caller closes it.

        provider_url: the base URL of the provider that returned the URL. Raises DownloadError, and
        ProviderResponseError if the file is larger than any picture.
        """
        try:
            return self._follow(url, urlsplit(provider_url))
        except (HTTPError, OSError, ValueError) as error:
            raise DownloadError(
                f"The picture was bought, but its download failed ({type(error).__name__}). Try again with the same "
                "idempotency key: nothing is bought twice."
            ) from error

    def _follow(self, url: str, provider: SplitResult) -> IO[bytes]:
        for _ in range(REDIRECTS + 1):
            parts = urlsplit(url)
            with self._pool(parts, provider) as pool:
                target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
                headers = {"Host": parts.netloc, "User-Agent": USER_AGENT}
                response = pool.urlopen("GET", target, headers=headers, redirect=False, preload_content=False)
                with closing(response):
                    if response.status == OK:
                        return _save(response)
                    if response.status not in REDIRECT_STATUSES or not response.headers.get("location"):
                        raise _status_error(response.status)
                    url = urljoin(url, response.headers["location"])
        raise _refused(f"it redirects more than {REDIRECTS} times")

    def _pool(self, parts: SplitResult, provider: SplitResult) -> urllib3.HTTPConnectionPool:
        """Return a pool that connects to the checked address of an allowed host."""
        host = (parts.hostname or "").lower()
        port = parts.port or (443 if parts.scheme == "https" else 80)
        # For development: a provider on this machine may serve its pictures on its own port.
        is_local = host in LOOPBACK_HOSTS and (parts.hostname, parts.port) == (provider.hostname, provider.port)
        if "@" in parts.netloc or not (parts.scheme == "https" or (parts.scheme == "http" and is_local)):
            raise _refused("it is not a plain https URL")
        if host != (provider.hostname or "").lower() and not any(_matches(host, name) for name in self._allowed_hosts):
            raise _refused("its host is not allowed; an operator can add it to DOWNLOAD_HOSTS")
        address = self._resolve(host, port)
        if not is_local and not is_public(address):
            raise _refused("its host has no public address")
        seconds = time_left(self._remaining)
        timeout = Timeout(connect=min(CONNECT_SECONDS, seconds), read=min(READ_SECONDS, seconds))
        if parts.scheme == "http":
            pool = urllib3.HTTPConnectionPool(address, port, timeout=timeout, retries=False)
        else:
            context = self._ssl_context or ssl.create_default_context(cafile=certifi.where())
            pool = urllib3.HTTPSConnectionPool(
                address, port, timeout=timeout, retries=False, ssl_context=context, server_hostname=host
            )
        limit_time(pool, self._remaining)
        return pool


def is_public(address: str) -> bool:
    """Return whether an IP address is one of the public internet. An IPv6 address that embeds an IPv4 one is not."""
    parsed = ip_address(address.partition("%")[0])
    if isinstance(parsed, IPv4Address):
        return parsed.is_global and not parsed.is_multicast
    is_refused = any(parsed in network for network in REFUSED_GLOBAL_UNICAST)
    return parsed in GLOBAL_UNICAST and parsed.is_global and not is_refused


def _matches(host: str, allowed: str) -> bool:
    return host.endswith(allowed) if allowed.startswith(".") else host == allowed


def _refused(why: str) -> DownloadError:
    return DownloadError(f"The picture was bought, but its URL cannot be downloaded: {why}. Nothing is bought twice.")


def _status_error(status: int) -> DownloadError:
    expired = ", as for an expired URL: then only a new idempotency key buys another"
    return _refused(f"its host responded with HTTP {status}{expired if status in DEAD_STATUSES else ''}")


def _save(response: urllib3.BaseHTTPResponse) -> IO[bytes]:
    """Return the body in a temporary file, at its beginning."""
    with ExitStack() as on_error:
        file = on_error.enter_context(TemporaryFile())
        size = 0
        for chunk in response.stream(CHUNK_BYTES, decode_content=False):
            size += len(chunk)
            if size > LARGEST_BYTES:
                raise ProviderResponseError(
                    f"The provider's URL has more than {LARGEST_BYTES} bytes: no picture is that large."
                )
            file.write(chunk)
        file.seek(0)
        on_error.pop_all()  # the caller closes it
        return file
