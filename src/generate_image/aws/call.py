"""One call to AWS, and the one mapping of its errors to ours."""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import NamedTuple, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from generate_image.errors import ConfigurationError, GenerateImageError, StepFunctionsError, StorageError

T = TypeVar("T")


class Service(NamedTuple):
    """An AWS service.

    error: our error for a failed call, which a retry can clear. not_allowed: the codes of a wrong setting or a missing
    right. advice: the operator's next step in that case.
    """

    error: type[GenerateImageError]
    not_allowed: frozenset[str]
    advice: str


S3 = Service(
    StorageError,
    frozenset({"403", "AccessDenied", "NoSuchBucket", "InvalidAccessKeyId", "SignatureDoesNotMatch"}),
    "Check IMAGE_BUCKET and the rights of the function's role.",
)
SECRETS_MANAGER = Service(
    StorageError,
    frozenset({"AccessDeniedException", "DecryptionFailure", "KMSAccessDeniedException"}),
    "Allow the function's role to read the secret and to use its KMS key.",
)
STEP_FUNCTIONS = Service(
    StepFunctionsError,
    frozenset({"AccessDeniedException", "StateMachineDoesNotExist", "StateMachineDeleting", "InvalidArn"}),
    "Check STATE_MACHINE_ARN and the rights of the API function's role.",
)
NOT_FOUND_CODES = frozenset({"404", "NoSuchKey", "NotFound"})
"""S3's codes for a missing object."""


class ExpectedAwsError(Exception):
    """An error code that the caller of ``call`` expects and handles."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


def call(service: Service, failure: str, function: Callable[[], T], *, expected: AbstractSet[str] = frozenset()) -> T:
    """Return the result of one AWS call. The client's configuration limits its time and its retries.

    failure: the first words of an error message, such as "S3 did not return the record". expected: codes to raise as
    ExpectedAwsError. Raises ConfigurationError, or the service's error. AWS's own message may quote the request, so
    only its code is repeated.
    """
    try:
        return function()
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in expected:
            raise ExpectedAwsError(code) from error
        if code in service.not_allowed:
            raise ConfigurationError(f"{failure} ({code}). {service.advice}") from error
        raise service.error(f"{failure} ({code}). Try again with the same idempotency key.") from error
    except BotoCoreError as error:
        raise service.error(f"{failure} ({type(error).__name__}). Try again with the same idempotency key.") from error
