"""The form of an error in a record. Statuses and retries are those of README.md and openapi.yaml: other tests."""

import pytest

from generate_image.errors import ERRORS_BY_CODE, GenerateImageError, InternalError


@pytest.mark.parametrize("code", sorted(ERRORS_BY_CODE))
def test_recorded_error_is_restored(code: str) -> None:
    details = {
        "errors": [{"field": "prompt", "problem": "is required"}],
        "categories": ["violence"],
        "retry_after": 2.5,
        "provider_request_id": "req_1",
    }
    error = GenerateImageError.from_dict({"code": code, "message": "It failed.", **details})

    assert type(error) is ERRORS_BY_CODE[code]
    assert error.to_dict() == {"code": code, "message": "It failed.", **details}
    assert str(error) == "It failed. [provider request req_1]"
    restored = type(error).from_text(str(error))
    assert (restored.message, restored.provider_request_id) == ("It failed.", "req_1")
    assert type(error)("It failed.").to_dict() == {"code": code, "message": "It failed."}


def test_record_is_released_only_after_proof_that_nothing_was_billed() -> None:
    assert {code for code, error in ERRORS_BY_CODE.items() if not error.nothing_billed} == {
        "DownloadError",
        "IdempotencyKeyReusedError",
        "InternalError",
        "InvalidRequestError",
        "OutcomeUnknownError",
        "ProviderResponseError",
        "RequestInProgressError",
    }
    final = {code for code, error in ERRORS_BY_CODE.items() if error.is_final}
    assert final == {"ContentRejectedError", "ProviderRejectedError"}


def test_internal_error_repeats_no_message() -> None:
    shown = str(InternalError.from_exception(ValueError("a secret prompt")))

    assert "ValueError" in shown
    assert "secret" not in shown
