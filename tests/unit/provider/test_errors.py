"""Every row of the provider's error table, and the shapes of other hosts."""

import json

import pytest

from generate_image.errors import ContentRejectedError, GenerateImageError
from generate_image.provider.connection import ProviderResponse
from generate_image.provider.errors import NoSuchModelError, to_error

NOW = 1_800_000_000.0
USER_ERROR = "image_generation_user_error"
INVALID = "invalid_request_error"
MODEL = "dall-e-3"


def refuse(status: int, body: object, headers: dict[str, str] | None = None) -> GenerateImageError | NoSuchModelError:
    content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return to_error(ProviderResponse(status, headers or {}, content, "req_1"), model=MODEL, now=NOW)


def error(code: object, kind: str | None = None, message: str = "It failed.", **more: object) -> dict[str, object]:
    return {"error": {"message": message, "param": None, "code": code} | ({"type": kind} if kind else {}) | more}


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, error("moderation_blocked", USER_ERROR), "ContentRejectedError"),
        (400, error("content_policy_violation", INVALID), "ContentRejectedError"),
        (400, error("content_filter", None, inner_error={"code": None}), "ContentRejectedError"),
        (400, error(None, None, inner_error={"code": "ResponsibleAIPolicyViolation"}), "ContentRejectedError"),
        (400, error(None, USER_ERROR, moderation_details={"moderation_stage": "input"}), "ContentRejectedError"),
        (400, error("invalid_value", USER_ERROR, "Invalid size '4096x4096'."), "ProviderRejectedError"),
        (400, error("unknown_parameter", INVALID, param="response_format"), "ProviderRejectedError"),
        (400, error("billing_hard_limit_reached", INVALID), "QuotaExhaustedError"),
        (401, error("invalid_api_key", INVALID), "ProviderAuthError"),
        (403, error(None, INVALID, "Your organization must be verified to use the model `x`."), "ProviderAuthError"),
        (404, error("model_not_found", INVALID), "NoSuchModelError"),
        (400, error("invalid_value", USER_ERROR, "The model 'dall-e-3' does not exist."), "NoSuchModelError"),
        (400, error(None, None, "The model 'dall-e-3' does not exist."), "NoSuchModelError"),
        (404, error(None, None, "The model `dall-e-3` does not exist or you do not have access to it."),
         "NoSuchModelError"),
        (404, error("DeploymentNotFound", None, "The API deployment does not exist."), "NoSuchModelError"),
        (404, error(404, None, "Not found", status="NOT_FOUND"), "ProviderRejectedError"),
        (429, error("rate_limit_exceeded", "requests"), "RateLimitedError"),
        (429, error("slow_down", "rate_limit_error"), "RateLimitedError"),
        (429, error("insufficient_quota", "insufficient_quota"), "QuotaExhaustedError"),
        (429, error(None, "insufficient_quota"), "QuotaExhaustedError"),
        (429, error("credit_balance_exhausted", "insufficient_quota"), "QuotaExhaustedError"),
        (429, error("organization_spend_limit_exceeded"), "QuotaExhaustedError"),
        (429, error("project_spend_limit_exceeded"), "QuotaExhaustedError"),
        (429, error("organization_usage_limit_exceeded"), "QuotaExhaustedError"),
        (402, error(None), "QuotaExhaustedError"),
        (500, error("server_error", "server_error"), "ProviderUnavailableError"),
        (503, error("server_is_overloaded", "service_unavailable_error"), "ProviderUnavailableError"),
        (503, error("slow_down", "service_unavailable_error"), "ProviderUnavailableError"),
        # responses that prove nothing
        (500, "<html>Internal Server Error</html>", "OutcomeUnknownError"),
        (503, "", "OutcomeUnknownError"),
        (503, {"error": "overloaded"}, "OutcomeUnknownError"),
        (503, {"error": {}}, "OutcomeUnknownError"),
        (502, error("server_error", "server_error"), "OutcomeUnknownError"),
        (504, error("server_error"), "OutcomeUnknownError"),
        (520, "", "OutcomeUnknownError"),
        (524, "<html></html>", "OutcomeUnknownError"),
        (408, error("Timeout"), "OutcomeUnknownError"),
        (307, "", "OutcomeUnknownError"),
        # odd shapes
        (400, error(None, INVALID), "ProviderRejectedError"),
        (400, {"error": {"message": "no type"}}, "ProviderRejectedError"),
        (400, {"error": "a bare string"}, "ProviderRejectedError"),
        (422, {"detail": [{"loc": ["body"], "msg": "extra"}]}, "ProviderRejectedError"),
        (400, {"detail": "a text"}, "ProviderRejectedError"),
        (400, "not JSON", "ProviderRejectedError"),
        (400, "[" * 100_000, "ProviderRejectedError"),
        (400, {"error": None}, "ProviderRejectedError"),
        (400, {"error": {"code": ["list"], "type": {"a": 1}, "message": 7}}, "ProviderRejectedError"),
        (429, "<html>Too many</html>", "RateLimitedError"),
        (401, {"detail": "no"}, "ProviderAuthError"),
    ],
)  # fmt: skip
def test_response_maps_to_its_error(status: int, body: object, expected: str) -> None:
    assert type(refuse(status, body)).__name__ == expected


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ("Invalid prompt: 'a model of a city that does not exist'", None),
        ("Invalid prompt: 'the model 'dall-e-3' does not exist'", None),
        ("The model 'dall-e-3' does not exist.", "prompt"),
        ("The model 'another' does not exist.", "model"),
        ("The model 'dall-e-3-hd' does not exist.", "model"),
        ("The model 'dall-eX3' does not exist.", None),
    ],
)
def test_quoted_prompt_does_not_remove_a_model(message: str, param: str | None) -> None:
    assert isinstance(refuse(400, error("invalid_value", USER_ERROR, message, param=param)), GenerateImageError)


def test_param_model_allows_words_before_the_sentence() -> None:
    body = error(None, None, "Error: the model 'dall-e-3' does not exist.", param="model")
    assert isinstance(refuse(400, body), NoSuchModelError)


def test_moderation_categories_are_returned() -> None:
    details = {"moderation_stage": "input", "categories": ["violence", "self-harm", 7, "<script>"]}
    rejected = refuse(400, error("moderation_blocked", moderation_details=details))
    assert isinstance(rejected, ContentRejectedError)
    assert rejected.categories == ["violence", "self-harm"]
    assert "violence, self-harm" in str(rejected)


@pytest.mark.parametrize("details", [None, [], "text", {}, {"categories": "violence"}, {"categories": None}])
def test_odd_moderation_details_are_ignored(details: object) -> None:
    rejected = refuse(400, error("moderation_blocked", moderation_details=details))
    assert isinstance(rejected, ContentRejectedError)
    assert rejected.categories == []


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "Fri, 15 Jan 2027 08:00:10 GMT"}, 10.0),
        ({"retry-after": "Fri, 15 Jan 2027 07:00:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_in_every_form(headers: dict[str, str], seconds: float | None) -> None:
    limited = refuse(429, error("rate_limit_exceeded"), headers)
    assert isinstance(limited, GenerateImageError)
    assert limited.retry_after == seconds


def test_message_does_not_quote_the_prompt() -> None:
    shown = str(refuse(400, error("invalid_value; a prompt", INVALID, "Bad: a secret prompt", param="a secret prompt")))
    assert "secret" not in shown
    assert "a prompt" not in shown
    assert "[provider request req_1]" in shown
