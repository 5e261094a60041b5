"""Every error that a caller can get. README.md lists them with their HTTP status.

The class name is part of the contract: Step Functions matches it in ``ErrorEquals``, the HTTP API returns it as
``code``, and a record stores it. A message says what is wrong and what to do. It contains no key and no prompt, so it
can be logged, stored and returned.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

_REQUEST = " [provider request "


class GenerateImageError(Exception):
    """Base class.

    errors: the problems of an input, each ``{"field", "problem"}``. categories: the moderation's categories.
    retry_after: seconds. provider_request_id: the provider's ``x-request-id``.
    """

    status: ClassVar[int]
    """HTTP status."""
    retryable: ClassVar[bool] = False
    """True if a retry of the same request can succeed without a change."""
    nothing_billed: ClassVar[bool] = False
    """True if this error proves that the provider billed nothing."""
    is_final: ClassVar[bool] = False
    """True if a record keeps this error although nothing was billed: the same request fails again."""
    recordable: ClassVar[bool] = True
    """True if a record or an execution can hold this error."""

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
        """The class name, as callers see it."""
        return type(self).__name__

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Rebuild an error from its message, which is all that Lambda reports."""
        message, _, request_id = text.partition(_REQUEST)
        return cls(message, provider_request_id=request_id.removesuffix("]") or None)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object that a record stores: ``code``, ``message`` and the details that are present."""
        details = {
            "errors": self.errors,
            "categories": self.categories,
            "retry_after": self.retry_after,
            "provider_request_id": self.provider_request_id,
        }
        return {"code": self.code, "message": self.message} | {name: value for name, value in details.items() if value}

    @staticmethod
    def from_dict(recorded: Mapping[str, Any]) -> "GenerateImageError":
        """Rebuild an error from ``to_dict``. Raises KeyError and TypeError for other input."""
        details = dict(recorded)
        error_class = ERRORS_BY_CODE[details.pop("code")]
        return error_class(details.pop("message"), **details)


class InvalidRequestError(GenerateImageError):
    """The event is wrong. Nothing was read or bought."""

    status = 400

    @classmethod
    def listing(cls, errors: Sequence[Mapping[str, str]]) -> Self:
        """Return one error that lists all of ``errors``, each ``{"field", "problem"}``."""
        listed = "; ".join(f"{error['field']}: {error['problem']}" for error in errors)
        end = "" if listed.endswith("?") else "."
        return cls(f"The request is not valid. {listed}{end}", errors=errors)


class CredentialsError(GenerateImageError):
    """The client has no such credential, or its secret has no usable ``apiKey``."""

    status = 400
    nothing_billed = True


class BudgetExceededError(GenerateImageError):
    """The purchase could exceed the client's monthly budget."""

    status = 402
    nothing_billed = True

    _AMOUNTS = re.compile(
        r"is (?P<limit_usd>[\d.]+) USD\. (?P<settled_usd>[\d.]+) USD are spent "
        r"and (?P<reserved_usd>[\d.]+) USD reserved.* begins at (?P<month_ends>[\d:TZ-]+)\."
    )

    @classmethod
    def of_client(cls, client_id: str, amounts: Mapping[str, Any], cost_usd: float) -> Self:
        """Return the error for a picture that may cost ``cost_usd``. amounts: those of ``budget``."""
        return cls(
            f"The monthly budget of client {client_id} is {amounts['limit_usd']:.4f} USD. {amounts['settled_usd']:.4f} "
            f"USD are spent and {amounts['reserved_usd']:.4f} USD reserved, and this picture may cost {cost_usd:.4f} "
            f"USD. The next month begins at {amounts['month_ends']}. An operator can raise the limit."
        )

    @property
    def budget(self) -> dict[str, Any]:
        """The amounts in the message, which is all that Lambda reports."""
        found = self._AMOUNTS.search(self.message)
        return {
            name: text if name == "month_ends" else float(text)
            for name, text in (found.groupdict() if found else {}).items()
        }


class RequestInProgressError(GenerateImageError):
    """Another invocation holds the lease and is buying this picture."""

    status = 409
    retryable = True


class IdempotencyKeyReusedError(GenerateImageError):
    """The key belongs to a request for another picture."""

    status = 422


class ContentRejectedError(GenerateImageError):
    """The provider's moderation rejected the prompt or the picture."""

    status = 422
    nothing_billed = True
    is_final = True


class RateLimitedError(GenerateImageError):
    """Too many requests for the provider, or too many attempts with one key."""

    status = 429
    retryable = True
    nothing_billed = True


class ConfigurationError(GenerateImageError):
    """A setting or a right of the deployment is wrong. The message names every wrong setting."""

    status = 500
    nothing_billed = True


class InternalError(GenerateImageError):
    """A defect in this module."""

    status = 500

    @classmethod
    def from_exception(cls, error: Exception) -> Self:
        """Return the error for an unexpected exception. Its message can quote a prompt, so it is not repeated."""
        return cls(
            f"The function failed with an unexpected {type(error).__name__}. See its log. A retry with the same "
            "idempotency key buys nothing twice."
        )


class ModelUnavailableError(GenerateImageError):
    """The provider has none of the models in ``IMAGE_MODELS``."""

    status = 502
    nothing_billed = True


class ProviderAuthError(GenerateImageError):
    """The provider refuses the API key, freshly read from Secrets Manager."""

    status = 502
    nothing_billed = True


class ProviderRejectedError(GenerateImageError):
    """The provider refused the request with another 4xx."""

    status = 502
    nothing_billed = True
    is_final = True


class ProviderResponseError(GenerateImageError):
    """The provider's 200 response has no usable picture. It may be billed."""

    status = 502


class DownloadError(GenerateImageError):
    """The picture was bought, but the download from the provider's URL failed. A retry buys nothing."""

    status = 502
    retryable = True


class ProviderUnavailableError(GenerateImageError):
    """The provider reports a failure (500 or 503), or no connection was made. Nothing was bought."""

    status = 503
    retryable = True
    nothing_billed = True


class QuotaExhaustedError(GenerateImageError):
    """The provider account has no credit or quota left. A retry does not help until it is topped up."""

    status = 503
    nothing_billed = True


class StorageError(GenerateImageError):
    """A request to S3 or Secrets Manager failed."""

    status = 503
    retryable = True
    nothing_billed = True


class StepFunctionsError(GenerateImageError):
    """A request to Step Functions failed, or Step Functions ended the execution for a transient reason."""

    status = 503
    retryable = True
    nothing_billed = True


class OutcomeUnknownError(GenerateImageError):
    """The request was sent and no response arrived. The picture may be billed; only a new key buys another."""

    status = 504


class HttpError(GenerateImageError):
    """Base class of the errors that only the HTTP API returns."""

    recordable = False


class ForbiddenError(HttpError):
    """The caller may not act for the client in the path."""

    status = 403


class ImageNotFoundError(HttpError):
    """The client has no picture with this id, or its lifetime is over."""

    status = 404


class RouteNotFoundError(HttpError):
    """The path does not exist."""

    status = 404


class BudgetNotFoundError(HttpError):
    """The client bought nothing under a budget this month."""

    status = 404


class MethodNotAllowedError(HttpError):
    """The path exists, for another method."""

    status = 405

    def __init__(self, allowed: str) -> None:
        """Name the method that the path accepts."""
        self.allowed = allowed
        super().__init__(f"This path accepts {allowed} only.")


class RequestTooLargeError(HttpError):
    """The request is too large for the state machine or for its response."""

    status = 413


class UnsupportedMediaTypeError(HttpError):
    """The Content-Type of the body is not JSON."""

    status = 415


ERRORS_BY_CODE: Mapping[str, type[GenerateImageError]] = {
    cls.__name__: cls for cls in GenerateImageError.__subclasses__() if cls.recordable
}
"""Every error that a record or an execution can hold, by class name."""
