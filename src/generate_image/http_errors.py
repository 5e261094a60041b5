"""What only the HTTP API refuses, in the form of all other errors; they never reach a record or Step Functions."""

from generate_image.errors import GenerateImageError


class ForbiddenError(GenerateImageError):
    """The caller is not the client that the path names."""

    status = 403


class RouteNotFoundError(GenerateImageError):
    """There is nothing at this path."""

    status = 404


class MethodNotAllowedError(GenerateImageError):
    """The path takes another method: ``allowed``."""

    status = 405

    def __init__(self, allowed: str) -> None:
        self.allowed = allowed
        super().__init__(f"This path takes {allowed} only.")


class RequestTooLargeError(GenerateImageError):
    """The answer to the request could not be given, or a state machine could not be started with it."""

    status = 413


class UnsupportedMediaTypeError(GenerateImageError):
    """The body is not said to be JSON."""

    status = 415
