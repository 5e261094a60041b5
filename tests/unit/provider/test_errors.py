"""Every row of the provider's error table, and the shapes of other hosts."""

import json
from collections.abc import Mapping
from types import MappingProxyType

import pytest

from generate_image.errors import ContentRejectedError, GenerateImageError
from generate_image.provider.connection import ProviderResponse
from generate_image.provider.errors import to_error, to_unbilled_error

NOW = 1_800_000_000.0
USER_ERROR = "image_generation_user_error"
INVALID = "invalid_request_error"
MODEL = "dall-e-3"


def response_of(status: int, body: object, headers: Mapping[str, str] = MappingProxyType({})) -> ProviderResponse:
    content = body if isinstance(body, str) else json.dumps(body)
    return ProviderResponse(status, headers, content.encode(), "req_1")


def refuse(status: int, body: object, headers: Mapping[str, str] = MappingProxyType({})) -> Exception:
    return to_error(response_of(status, body, headers), model=MODEL, now=NOW)


def error(code: object, kind: str | None = None, message: str = "It failed.", **more: object) -> dict[str, object]:
    return {"error": {"message": message, "param": None, "code": code} | ({"type": kind} if kind else {}) | more}


MONEY = """
    insufficient_quota credit_balance_exhausted organization_spend_limit_exceeded project_spend_limit_exceeded
    organization_usage_limit_exceeded billing_not_active
"""


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
        (401, error("invalid_api_key", INVALID), "ProviderAuthError"),
        (403, error(None, INVALID, "Your organization must be verified to use the model `x`."), "ProviderAuthError"),
        (404, error("model_not_found", INVALID), "NoSuchModelError"),
        (400, error("invalid_value", USER_ERROR, "The model 'dall-e-3' does not exist."), "NoSuchModelError"),
        (404, error(None, None, "The model `dall-e-3` does not exist or you do not have access to it."),
         "NoSuchModelError"),
        (400, error(None, None, "Error: the model 'dall-e-3' does not exist.", param="model"), "NoSuchModelError"),
        (404, error("DeploymentNotFound", None, "The API deployment does not exist."), "NoSuchModelError"),
        (403, error("model_not_found", INVALID), "ProviderAuthError"),
        (404, error(404, None, "Not found", status="NOT_FOUND"), "ProviderRejectedError"),
        (429, error("rate_limit_exceeded", "requests"), "RateLimitedError"),
        *((429, error(code), "QuotaExhaustedError") for code in MONEY.split()),
        (429, error(None, "insufficient_quota"), "QuotaExhaustedError"),
        (400, error("billing_hard_limit_reached", INVALID), "QuotaExhaustedError"),
        (402, error(None), "QuotaExhaustedError"),
        (500, error("server_error", "server_error"), "ProviderUnavailableError"),
        (503, error("server_is_overloaded", "service_unavailable_error"), "ProviderUnavailableError"),
        # responses that prove nothing
        (500, "<html>Internal Server Error</html>", "OutcomeUnknownError"),
        (503, {"error": {}}, "OutcomeUnknownError"),
        (502, error("server_error", "server_error"), "OutcomeUnknownError"),
        (408, error("Timeout"), "OutcomeUnknownError"),
        (399, "", "OutcomeUnknownError"),
        # odd shapes
        (400, {"error": "a bare string"}, "ProviderRejectedError"),
        (400, "not JSON", "ProviderRejectedError"),
        (400, "[" * 100_000, "ProviderRejectedError"),
        (400, "[]", "ProviderRejectedError"),
        (400, {"error": {"code": ["list"], "type": {"a": 1}, "message": 7}}, "ProviderRejectedError"),
        (429, "<html>Too many</html>", "RateLimitedError"),
        # a quoted prompt does not remove a model
        (400, error(None, None, "Invalid prompt: 'a model of a city that does not exist'"), "ProviderRejectedError"),
        (400, error(None, None, "Invalid prompt: 'the model 'dall-e-3' does not exist'"), "ProviderRejectedError"),
        (400, error(None, None, "The model 'dall-e-3' does not exist.", param="prompt"), "ProviderRejectedError"),
        (400, error(None, None, "The model 'another' does not exist.", param="model"), "ProviderRejectedError"),
        (400, error(None, None, "The model 'dall-e-3-hd' does not exist.", param="model"), "ProviderRejectedError"),
        (400, error(None, None, "The model 'dall-eX3' does not exist."), "ProviderRejectedError"),
    ],
)  # fmt: skip
def test_response_maps_to_its_error(status: int, body: object, expected: str) -> None:
    assert type(refuse(status, body)).__name__ == expected


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (502, "<html>", "ProviderUnavailableError"),
        (302, "", "ProviderUnavailableError"),
        (404, error("model_not_found"), "ProviderUnavailableError"),
        (404, error(None), "ProviderRejectedError"),
        (429, error(None), "RateLimitedError"),
    ],
)
def test_call_that_buys_nothing_has_no_unknown_outcome(status: int, body: object, expected: str) -> None:
    found = to_unbilled_error(response_of(status, body), NOW)
    assert (found.code, found.provider_request_id) == (expected, "req_1")


@pytest.mark.parametrize(
    ("details", "categories"),
    [
        ({"categories": ["violence", "self-harm", 7, "<script>"]}, ["violence", "self-harm"]),
        ({"categories": "violence"}, []),
        ({}, []),
        ("text", []),
    ],
)
def test_moderation_categories_are_returned(details: object, categories: list[str]) -> None:
    rejected = refuse(400, error("moderation_blocked", moderation_details=details))
    assert isinstance(rejected, ContentRejectedError)
    assert rejected.categories == categories
    because = f" ({', '.join(categories)})" if categories else ""
    assert f"rejected the request{because}. Change the prompt. [provider request req_1]" in str(rejected)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7.5"}, 7.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "Fri, 15 Jan 2027 08:00:10 GMT"}, 10.0),
        ({"retry-after": "Fri, 15 Jan 2027 07:00:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Fri, 15 Jan 99999999999 08:00:10 GMT"}, None),
        ({"retry-after": "-5"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_in_every_form(headers: dict[str, str], seconds: float | None) -> None:
    for status in (429, 503):
        refused = refuse(status, error("a code"), headers)
        assert isinstance(refused, GenerateImageError)
        assert refused.retry_after == seconds


def test_message_does_not_quote_the_prompt() -> None:
    shown = str(refuse(400, error("invalid_value; a prompt", INVALID, "Bad: a prompt", param="a prompt")))
    assert "a prompt" not in shown
    assert "[provider request req_1]" in shown
