"""HTTP requests to the provider, each on a connection of its own that ends at a deadline."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, NamedTuple, cast

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.exceptions import HTTPError

from generate_image.credentials import Credentials
from generate_image.errors import ProviderResponseError
from generate_image.picture import LARGEST_BYTES
from generate_image.provider.time_limit import Remaining, limit_time, time_left

if TYPE_CHECKING:
    from urllib3.connectionpool import HTTPConnectionPool

USER_AGENT = "generate-image/2.1"
CONNECT_SECONDS = 5.0
CHUNK_BYTES = 256 * 1024
LARGEST_RESPONSE_BYTES = LARGEST_BYTES * 4 // 3 + 512 * 1024
"""The largest picture in base64, and a prompt of 32,000 characters in JSON escapes beside it."""

NO_RESPONSE = (OSError, HTTPError, ValueError)
"""Raised by ``request`` if no complete response came. ``requests.RequestException`` is an OSError."""


class ProviderResponse(NamedTuple):
    """A complete response of any status. request_id: the provider's ``x-request-id``, for its support."""

    status: int
    headers: Mapping[str, str]
    content: bytes | bytearray
    request_id: str | None

    @property
    def is_success(self) -> bool:
        """True for a 2xx."""
        return 200 <= self.status < 300  # noqa: PLR2004  # RFC 9110, 15.3


def request(
    method: str,
    url: str,
    credentials: Credentials,
    remaining: Remaining,
    *,
    body: IO[bytes] | bytes | None = None,
    content_type: str = "application/json",
) -> ProviderResponse:
    """Send a request and return its response. content_type: of the body.

    Raises one of ``NO_RESPONSE``, and ProviderResponseError if the response is larger than any picture.
    """
    headers = {"Content-Type": content_type} if body else {}
    with _sent(method, url, credentials, remaining, body=body, headers=headers) as response:
        request_id = valid_request_id(response.headers.get("x-request-id"))
        content = _read(response, request_id)
        return ProviderResponse(response.status_code, response.headers, content, request_id)


@contextmanager
def streamed(url: str, credentials: Credentials, remaining: Remaining, *, offset: int) -> Iterator[requests.Response]:
    """Give the response of a GET whose body is still to be read, by ``iter_content``.

    offset: the first wanted byte. A server that ignores ``Range`` responds with 200 and the whole body (RFC 9110,
    14.2). Entering and reading raise one of ``NO_RESPONSE``.
    """
    headers = {"Range": f"bytes={offset}-"} if offset else {}
    with _sent("GET", url, credentials, remaining, headers={**headers, "Accept-Encoding": "identity"}) as response:
        yield response


@contextmanager
def _sent(
    method: str,
    url: str,
    credentials: Credentials,
    remaining: Remaining,
    *,
    headers: Mapping[str, str],
    body: IO[bytes] | bytes | None = None,
) -> Iterator[requests.Response]:
    """Send a request on a connection of its own, and follow no redirect. Raises one of ``NO_RESPONSE``.

    A connection from the last invocation may have died while the environment was frozen. A request that is lost on it
    cannot be distinguished from one that was billed.
    """
    seconds = time_left(remaining)
    with requests.Session() as session:
        for scheme in ("https://", "http://"):
            session.mount(scheme, _Adapter(remaining))
        with session.request(
            method,
            url,
            data=body,
            headers={"User-Agent": USER_AGENT, "Connection": "close", **headers},
            auth=_Authorization(credentials),
            timeout=(min(CONNECT_SECONDS, seconds), seconds),
            allow_redirects=False,
            stream=True,
        ) as response:
            yield response


def valid_request_id(value: object) -> str | None:
    """Return the provider's id of a request if a log line and S3 metadata can hold it."""
    return value if isinstance(value, str) and re.fullmatch(r"[\w.-]{1,128}", value, re.ASCII) else None


def _read(response: requests.Response, request_id: str | None) -> bytearray:
    content = bytearray()
    for chunk in response.iter_content(CHUNK_BYTES):
        content += chunk
        if len(content) > LARGEST_RESPONSE_BYTES:
            raise ProviderResponseError(
                f"The provider's response has more than {LARGEST_RESPONSE_BYTES} bytes: no picture is that large. "
                "It may be billed.",
                provider_request_id=request_id,
            )
    return content


class _Authorization(AuthBase):
    """The key, as requests' ``auth``, because requests lets a ``.netrc`` file replace a plain header."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def __call__(self, prepared: requests.PreparedRequest) -> requests.PreparedRequest:
        prepared.headers["Authorization"] = f"Bearer {self._credentials.api_key}"
        if self._credentials.organization:
            prepared.headers["OpenAI-Organization"] = self._credentials.organization
        if self._credentials.project:
            prepared.headers["OpenAI-Project"] = self._credentials.project
        return prepared


class _Adapter(HTTPAdapter):
    """Opens connections with a time limit."""

    def __init__(self, remaining: Remaining) -> None:
        self._remaining = remaining
        super().__init__()

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> "HTTPConnectionPool":  # noqa: ANN401
        pool = cast("HTTPConnectionPool", super().get_connection_with_tls_context(*args, **kwargs))
        limit_time(pool, self._remaining)
        return pool
