"""Reads a model's shutdown date: ``GET /v1/models/{id}`` has ``shutdown_date``, YYYY-MM-DD or null."""

import json
from datetime import date
from urllib.parse import quote

from generate_image.credentials import Credentials
from generate_image.deadline import Deadline
from generate_image.errors import ProviderResponseError
from generate_image.provider.connection import NO_RESPONSE, request
from generate_image.provider.errors import FORBIDDEN, UNAUTHORIZED, NoSuchModelError, to_error
from generate_image.provider.time_limit import at_most

REQUEST_SECONDS = 10.0


class ModelNotCheckedError(Exception):
    """The provider did not say whether a model has a shutdown date. The message says why, without a key."""


class ModelsApi:
    """Reads about models. base_url: of the provider, for credentials that name no other."""

    def __init__(self, base_url: str, deadline: Deadline) -> None:
        self._base_url = base_url
        self._deadline = deadline

    def shutdown_date(self, model: str, credentials: Credentials) -> date | None:
        """Return the day of a model's shutdown, None if no day is named.

        Raises NoSuchModelError if the provider does not know the model, and ModelNotCheckedError.
        """
        url = f"{credentials.base_url or self._base_url}/models/{quote(model, safe='')}"
        try:
            response = request("GET", url, credentials, at_most(REQUEST_SECONDS, self._deadline))
        except (*NO_RESPONSE, ProviderResponseError) as error:
            raise ModelNotCheckedError(f"The provider did not respond ({type(error).__name__}).") from error
        if response.status in {UNAUTHORIZED, FORBIDDEN}:
            raise ModelNotCheckedError(
                f"The provider refuses the API key (HTTP {response.status}). "
                "A restricted key needs the permission to list models."
            )
        if not response.is_success:
            refusal = to_error(response, model=model, now=self._deadline.clock())
            if isinstance(refusal, NoSuchModelError):
                raise refusal
            raise ModelNotCheckedError(f"The provider responded with HTTP {response.status}.")
        try:
            shutdown_date = json.loads(response.content)["shutdown_date"]
            return None if shutdown_date is None else date.fromisoformat(shutdown_date)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ModelNotCheckedError("The provider's response has no shutdown_date.") from error
