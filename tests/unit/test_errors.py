"""The tree of errors, and their form in a record."""

import re

import pytest

from generate_image import errors
from generate_image.errors import ERRORS_BY_CODE, GenerateImageError, HttpError, InternalError

ROW = re.compile(r"[├└]── (\w+) +(\d{3})(?:  (retry))?$", re.MULTILINE)


def test_docstring_draws_the_tree() -> None:
    drawn = {name: (int(status), bool(retry)) for name, status, retry in ROW.findall(errors.__doc__ or "")}
    http = {error.__name__: error for error in HttpError.__subclasses__()}
    assert drawn == {code: (error.status, error.retryable) for code, error in {**ERRORS_BY_CODE, **http}.items()}


@pytest.mark.parametrize("code", sorted(ERRORS_BY_CODE))
def test_recorded_error_is_restored(code: str) -> None:
    error = ERRORS_BY_CODE[code](
        "It failed.",
        errors=[{"field": "prompt", "problem": "is required"}],
        categories=["violence"],
        retry_after=2.5,
        provider_request_id="req_1",
    )
    restored = GenerateImageError.from_dict(error.to_dict())
    assert type(restored) is type(error)
    assert (str(restored), restored.to_dict()) == (str(error), error.to_dict())
    assert type(error).from_text(str(error)).provider_request_id == "req_1"


def test_unknown_details_are_not_recorded() -> None:
    assert ERRORS_BY_CODE["StorageError"]("It failed.").to_dict() == {"code": "StorageError", "message": "It failed."}


def test_http_errors_are_not_recordable() -> None:
    assert not {error.__name__ for error in HttpError.__subclasses__()} & ERRORS_BY_CODE.keys()


def test_internal_error_repeats_no_message() -> None:
    assert "secret" not in str(InternalError.from_exception(ValueError("a secret prompt")))
