"""Every error that a caller can be given.

    GenerateImageError
    ├── InvalidRequestError         400          the event is wrong; lists every problem by field
    ├── CredentialsError            400          no such secret, or no usable apiKey in it
    ├── ImageNotFoundError          404          HTTP only: the client has no such picture
    ├── RequestInProgressError      409  retry   another call is buying this very picture now
    ├── IdempotencyKeyReusedError   422          the key names another request
    ├── ContentRejectedError        422          the provider's moderation refused the prompt
    ├── RateLimitedError            429  retry   too many requests; carries retry_after
    ├── ProviderAuthError           502          401 or 403 with a freshly read key
    ├── QuotaExhaustedError         503          the account's money or quota is used up
    ├── ModelUnavailableError       502          none of the listed models exists
    ├── ProviderRejectedError       502          any other 4xx
    ├── ProviderUnavailableError    503  retry   the provider is down or cannot be reached
    ├── ProviderResponseError       502          a 200 without a usable picture
    ├── OutcomeUnknownError         504          the picture may have been billed
    ├── DownloadError               502  retry   the provider's URL could not be fetched
    ├── StorageError                503  retry   S3 or Secrets Manager did not answer
    └── ConfigurationError          500          the deployment is wrong: settings, rights, or the code itself

The class's name is the contract: Step Functions matches it in ``ErrorEquals`` and knows no inheritance, the HTTP API
gives it as ``code``, and a record keeps it. A message is written for whoever gets it: what is wrong and what to do. It
never holds a key or a prompt, so it may be logged, stored and returned as it is.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

_REQUEST = " [provider request "


class GenerateImageError(Exception):
    """What every error has in common.

    message: plain words. errors: the problems of an input, each ``{"field", "problem"}``. categories: what a
    moderation objected to. retry_after: seconds to wait. provider_request_id: the provider's own ``x-request-id``.
    """

    status: ClassVar[int]
    """HTTP status."""
    retryable: ClassVar[bool] = False
    """Whether the same request can succeed later without anybody mending anything."""
    releases: ClassVar[bool] = False
    """Raised while buying, it proves that nothing was bought: once the cause is gone, the same key may buy."""

    def __init__(
        self,
        message: str,
        *,
        errors: Sequence[Mapping[str, str]] = (),
        categories: Sequence[str] = (),
        retry_after: float | None = None,
        provider_request_id: str | None = None,
    ) -> None:
        self.errors = [dict(error) for error in errors]
        self.categories = list(categories)
        self.retry_after = retry_after
        self.provider_request_id = provider_request_id
        self.message = message
        shown = f"{message}{_REQUEST}{provider_request_id}]" if provider_request_id else message
        super().__init__(shown)

    @property
    def code(self) -> str:
        """The class's name, as callers see it."""
        return type(self).__name__

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Return the error whose ``str`` is ``text``: that is all that Lambda tells of one."""
        message, _, request_id = text.partition(_REQUEST)
        return cls(message, provider_request_id=request_id.removesuffix("]") or None)

    def to_dict(self) -> dict[str, Any]:
        """Return what a record keeps: ``code``, ``message`` and those details that are there."""
        details = {
            "errors": self.errors,
            "categories": self.categories,
            "retry_after": self.retry_after,
            "provider_request_id": self.provider_request_id,
        }
        return {"code": self.code, "message": self.message} | {name: value for name, value in details.items() if value}

    @staticmethod
    def from_dict(recorded: Mapping[str, Any]) -> "GenerateImageError":
        """Return the error that ``to_dict`` was called on."""
        details = dict(recorded)
        error_class = BY_CODE[details.pop("code")]
        return error_class(details.pop("message"), **details)


class InvalidRequestError(GenerateImageError):
    """The event breaks the module's contract; nothing was read or bought."""

    status = 400

    @classmethod
    def listing(cls, errors: Sequence[Mapping[str, str]]) -> Self:
        """Return one error that tells all of ``errors``, each ``{"field", "problem"}``."""
        listed = "; ".join(f"{error['field']}: {error['problem']}" for error in errors)
        return cls(f"The request is not valid. {listed}.", errors=errors)


class CredentialsError(GenerateImageError):
    """The named credential does not exist for this client, or is no JSON object with a usable ``apiKey``."""

    status = 400
    releases = True


class ImageNotFoundError(GenerateImageError):
    """HTTP only: this client has no picture of that id, or its lifetime is over."""

    status = 404


class RequestInProgressError(GenerateImageError):
    """Another call holds the record and is buying this very picture."""

    status = 409
    retryable = True


class IdempotencyKeyReusedError(GenerateImageError):
    """The key already names a request for another picture."""

    status = 422


class ContentRejectedError(GenerateImageError):
    """The provider's moderation refused the prompt, or what was drawn from it."""

    status = 422


class RateLimitedError(GenerateImageError):
    """The provider takes no more requests for now."""

    status = 429
    retryable = True
    releases = True


class ProviderAuthError(GenerateImageError):
    """The provider refuses the key, though it was just read from Secrets Manager."""

    status = 502
    releases = True


class QuotaExhaustedError(GenerateImageError):
    """The provider's account has no money or quota left. Waiting does not help; paying does."""

    status = 503
    releases = True


class ModelUnavailableError(GenerateImageError):
    """The provider knows none of the models in ``IMAGE_MODELS``."""

    status = 502
    releases = True


class ProviderRejectedError(GenerateImageError):
    """The provider refused the request for a reason of its own, with a 4xx."""

    status = 502


class ProviderUnavailableError(GenerateImageError):
    """The provider says that it failed (500 or 503), or no connection to it could be made. Nothing was bought."""

    status = 503
    retryable = True
    releases = True


class ProviderResponseError(GenerateImageError):
    """The provider answered 200 without a usable picture. It may have been billed."""

    status = 502


class OutcomeUnknownError(GenerateImageError):
    """The request was sent and no answer came: the picture may have been billed. Only a new key buys another."""

    status = 504


class DownloadError(GenerateImageError):
    """The picture was bought, but its URL could not be fetched. Trying again buys nothing."""

    status = 502
    retryable = True


class StorageError(GenerateImageError):
    """S3 or Secrets Manager did not answer as it should."""

    status = 503
    retryable = True
    releases = True


class ConfigurationError(GenerateImageError):
    """The deployment is wrong: a setting, the function's rights, or the code itself. Names every wrong setting."""

    status = 500
    releases = True

    @classmethod
    def unforeseen(cls, error: Exception) -> Self:
        """Return what stands for an exception that is none of ours; its message may quote anything, and is not told."""
        return cls(
            f"The function failed in a way that it does not know ({type(error).__name__}). Look at its log; if a "
            "picture was bought, asking again with the same idempotency key finds it."
        )


BY_CODE: Mapping[str, type[GenerateImageError]] = {cls.__name__: cls for cls in GenerateImageError.__subclasses__()}
"""Every error that can be given, by the name that callers see."""
