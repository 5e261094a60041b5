"""A POST that is sent at most once, and the proof whether it was sent.

The API has no idempotency key: a request that is sent twice is billed twice. So a failed purchase is one of two things.
Either no byte of it was sent, and a retry is safe; or some of it was sent, and its outcome is unknown.
"""

import io
from threading import Lock
from urllib.parse import urlsplit

import requests

from generate_image.credentials import Credentials
from generate_image.errors import OutcomeUnknownError, ProviderUnavailableError
from generate_image.provider.connection import NO_RESPONSE, ProviderResponse, request
from generate_image.provider.time_limit import Remaining


def post(url: str, credentials: Credentials, content: bytes, remaining: Remaining) -> ProviderResponse:
    """Send JSON once and return the response. remaining: until the purchase must have ended.

    Raises ProviderUnavailableError if nothing was sent, OutcomeUnknownError if it was and no complete response came,
    and ProviderResponseError if the response is larger than any picture.
    """
    body = _Body(content)
    try:
        return request("POST", url, credentials, remaining, body=body)
    except NO_RESPONSE as error:
        name = type(error).__name__
        if body.cancel_if_unsent():
            raise ProviderUnavailableError(
                f"No connection to {urlsplit(url).netloc} could be made ({name}); nothing was bought. Try again later."
            ) from error
        raise OutcomeUnknownError(
            f"The request was sent and no response came ({name}): the picture may be billed. "
            "Only a new idempotency key buys another."
        ) from error


class _Body(io.BytesIO):
    """A request body that knows whether the provider can have seen a byte of it.

    The HTTP library reads the body only after the connection and the TLS handshake are complete. Its exceptions do not
    say this reliably: a timeout in the handshake looks like one after the request.
    """

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self._lock = Lock()
        self._sent = False
        self._cancelled = False

    def read(self, size: int | None = -1, /) -> bytes:
        with self._lock:
            if self._cancelled:
                raise requests.ConnectionError("The request was cancelled before it was sent.")
            self._sent = True
        return super().read(size)

    def cancel_if_unsent(self) -> bool:
        """Make sure that the body is never sent, if it was not. Return False if it was."""
        with self._lock:
            self._cancelled = not self._sent
            return self._cancelled
