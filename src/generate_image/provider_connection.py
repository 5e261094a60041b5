"""One POST to the provider, and the knowledge whether the provider can have seen it.

The API has no idempotency key: a request that is sent twice is billed twice. So every failure here is one of two: the
request was not sent, and may be sent again; or it was, and what came of it is unknown.
"""

import io
import re
from collections.abc import Mapping
from threading import Lock
from typing import NamedTuple

import requests
from requests.auth import AuthBase

from generate_image.credentials import Credentials
from generate_image.deadline import Deadline, DeadlineExceededError
from generate_image.errors import OutcomeUnknownError, ProviderResponseError, ProviderUnavailableError
from generate_image.pictures import LARGEST_BYTES

USER_AGENT = "generate-image/1.0"
CONNECT_SECONDS = 5.0
CHUNK_BYTES = 256 * 1024
LARGEST_ANSWER_BYTES = LARGEST_BYTES * 2
"""A picture in base64 takes 4/3 of its size, and the answer has a little more than that."""


class ProviderAnswer(NamedTuple):
    """An answer that came whole, whatever it says. request_id: the provider's name for it, to ask its support by."""

    status: int
    headers: Mapping[str, str]
    content: bytes | bytearray
    request_id: str | None

    @property
    def is_success(self) -> bool:
        """Whether the status is a 2xx."""
        return 200 <= self.status < 300  # noqa: PLR2004  # RFC 9110, 15.3


class Authorization(AuthBase):
    """Tells the provider whose request it is; as requests' auth, so that no .netrc replaces the key."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Return the request with its headers."""
        request.headers["Authorization"] = f"Bearer {self._credentials.api_key}"
        if self._credentials.organization:
            request.headers["OpenAI-Organization"] = self._credentials.organization
        if self._credentials.project:
            request.headers["OpenAI-Project"] = self._credentials.project
        return request


def post(url: str, credentials: Credentials, content: bytes, deadline: Deadline) -> ProviderAnswer:
    """Send JSON to the provider and return its answer.

    Raises ProviderUnavailableError where nothing was sent, OutcomeUnknownError where no whole answer came by the
    deadline, and ProviderResponseError where the answer is too large to hold a picture.
    """
    body = _Body(content)
    try:
        return deadline.run(lambda: _post(url, credentials, body, deadline))
    except (requests.RequestException, DeadlineExceededError) as error:
        if body.withdraw():
            raise ProviderUnavailableError(
                f"No connection to the provider could be made ({type(error).__name__}); nothing was bought. Try again "
                "later."
            ) from error
        raise OutcomeUnknownError(
            f"The request was sent and no answer came ({type(error).__name__}): the picture may have been billed. "
            "Only a new idempotency key buys another."
        ) from error


class _Body(io.BytesIO):
    """A request's body that knows whether the provider can have seen it.

    As long as no byte of it was read, the connection was still being made. That also holds where the client library
    cannot tell, such as for a time-out within the TLS handshake.
    """

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self._lock = Lock()
        self._sent = False
        self._withdrawn = False

    def read(self, size: int | None = -1, /) -> bytes:
        with self._lock:
            if self._withdrawn:
                raise requests.ConnectionError("The request was withdrawn before it was sent.")
            self._sent = True
        return super().read(size)

    def withdraw(self) -> bool:
        """Return whether nothing was sent; then nothing will be, even by a call that was abandoned."""
        with self._lock:
            self._withdrawn = not self._sent
            return self._withdrawn


def _post(url: str, credentials: Credentials, body: _Body, deadline: Deadline) -> ProviderAnswer:
    """Send the body on a connection of its own.

    One kept from the last purchase may have died while the environment was frozen, and a request that is lost on a dead
    connection cannot be told from one that was paid.
    """
    headers = {"Content-Type": "application/json", "User-Agent": USER_AGENT, "Connection": "close"}
    with (
        requests.Session() as session,
        session.post(
            url,
            data=body,
            headers=headers,
            auth=Authorization(credentials),
            timeout=(min(CONNECT_SECONDS, deadline.remaining()), deadline.remaining()),
            allow_redirects=False,
            stream=True,
        ) as response,
    ):
        request_id = _request_id(response.headers)
        content = bytearray()
        for chunk in response.iter_content(CHUNK_BYTES):
            content += chunk
            if len(content) > LARGEST_ANSWER_BYTES:
                raise ProviderResponseError(
                    f"The provider's answer has more than {LARGEST_ANSWER_BYTES} bytes: no such picture. It may have "
                    "been billed.",
                    provider_request_id=request_id,
                )
        return ProviderAnswer(response.status_code, response.headers, content, request_id)


def _request_id(headers: Mapping[str, str]) -> str | None:
    """Return ``x-request-id`` where it may stand in a log line and in an object's metadata."""
    value = headers.get("x-request-id", "")
    return value if re.fullmatch(r"[\w.-]{1,128}", value, re.ASCII) else None
