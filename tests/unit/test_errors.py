"""The tree of errors, and what a record keeps of one."""

import re

import pytest

from generate_image import errors
from generate_image.errors import BY_CODE, GenerateImageError

ROW = re.compile(r"[├└]── (\w+) +(\d{3})(?:  (retry) )? ")


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn = {name: (int(status), bool(retry)) for name, status, retry in ROW.findall(errors.__doc__ or "")}
    assert drawn == {code: (error.status, error.retryable) for code, error in BY_CODE.items()}


@pytest.mark.parametrize("code", sorted(BY_CODE))
def test_an_error_survives_being_recorded(code: str) -> None:
    error = BY_CODE[code](
        "It failed.",
        errors=[{"field": "prompt", "problem": "is required"}],
        categories=["violence"],
        retry_after=2.5,
        provider_request_id="req_1",
    )
    again = GenerateImageError.from_dict(error.to_dict())
    assert type(again) is type(error)
    assert (str(again), again.to_dict()) == (str(error), error.to_dict())
    assert "req_1" in str(again)


def test_what_is_not_known_is_not_recorded() -> None:
    assert BY_CODE["StorageError"]("It failed.").to_dict() == {"code": "StorageError", "message": "It failed."}
