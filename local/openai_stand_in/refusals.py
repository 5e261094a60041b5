"""The errors that OpenAI answers with.

From OpenAI's error guide and image generation guide, and from answers seen in public issue trackers. None of them is
billed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .checks import INVALID_REQUEST, USER_ERROR
from .fault import Fault, Route

if TYPE_CHECKING:
    from collections.abc import Mapping


def _error(  # noqa: PLR0913 - an error object's fields
    description: str,
    status: int,
    code: str | None,
    message: str,
    *,
    kind: str = INVALID_REQUEST,
    param: str | None = None,
    details: Mapping[str, object] | None = None,
    retry_after: float | None = None,
    retry_after_form: str = "seconds",
    route: Route = Route.GENERATIONS,
) -> Fault:
    error = {"message": message, "type": kind, "param": param, "code": code, **(details or {})}
    return Fault(
        description=description,
        bills=False,
        status=status,
        body={"error": error},
        retry_after=retry_after,
        retry_after_form=retry_after_form,
        route=route,
    )


def _moderation(stage: str) -> Fault:
    return _error(
        f"400: moderation stopped the request at its {stage}",
        400,
        "moderation_blocked",
        "Your request was rejected by the safety system. If you believe this is an error, contact us at "
        "help.openai.com and include the request ID. safety_violations=[violence].",
        kind=USER_ERROR,
        details={"moderation_details": {"moderation_stage": stage, "categories": ["violence"]}},
    )


def _rate_limit(description: str, retry_after: float | None = None, form: str = "seconds") -> Fault:
    return _error(
        description,
        429,
        "rate_limit_exceeded",
        "Rate limit exceeded for images per minute in organization org-stand-in. Limit: 5/1min. Current: 6/1min.",
        kind="requests",
        retry_after=retry_after,
        retry_after_form=form,
    )


def _out_of_money(code: str, message: str) -> Fault:
    return _error(f"429 that no waiting mends: {code}", 429, code, message, kind="insufficient_quota")


REFUSALS: Mapping[str, Fault] = {
    "moderation_blocked": _moderation("input"),
    "moderation_blocked_output": _moderation("output"),
    "content_policy_violation": _error(
        "400: the content filter of the DALL·E era",
        400,
        "content_policy_violation",
        "Your request was rejected as a result of our safety system. Your prompt may contain text that is not allowed "
        "by our safety system.",
    ),
    "azure_content_filter": _error(
        "400: the content filter as Azure tells it, with an inner error",
        400,
        "content_policy_violation",
        "Your request was rejected as a result of our safety system.",
        details={
            "inner_error": {
                "code": "ResponsibleAIPolicyViolation",
                "content_filter_results": {"violence": {"filtered": True, "severity": "high"}},
            }
        },
    ),
    "invalid_value": _error(
        "400: a size that the model does not draw",
        400,
        "invalid_value",
        "Invalid size '4096x4096'. The longest edge must be less than or equal to 3840.",
        kind=USER_ERROR,
        param="size",
    ),
    "unknown_parameter": _error(
        "400: a parameter that the model does not know",
        400,
        "unknown_parameter",
        "Unknown parameter: 'response_format'.",
        param="response_format",
    ),
    "billing_hard_limit_reached": _error(
        "400, and not 429: the billing limit", 400, "billing_hard_limit_reached", "Billing hard limit has been reached"
    ),
    "invalid_api_key": _error(
        "401: the key is wrong",
        401,
        "invalid_api_key",
        "Incorrect API key provided: sk-*******oken. You can find your API key at "
        "https://platform.openai.com/account/api-keys.",
    ),
    "organization_unverified": _error(
        "403 with a null code: the organization must be verified first",
        403,
        None,
        "Your organization must be verified to use the model `gpt-image-2.6-flare`. Please go to: "
        "https://platform.openai.com/settings/organization/general and click on Verify Organization. If you just "
        "verified, it can take up to 15 minutes for access to propagate.",
    ),
    "unsupported_country": _error(
        "403: the country is not served",
        403,
        "unsupported_country_region_territory",
        "Country, region, or territory not supported",
        kind="request_forbidden",
    ),
    "model_not_found": _error(
        "404: no such model, as OpenAI's other endpoints tell it",
        404,
        "model_not_found",
        "The model 'dall-e-3' does not exist or you do not have access to it.",
        param="model",
    ),
    "model_does_not_exist": _error(
        "400: no such model, as the Images API tells it",
        400,
        "invalid_value",
        "The model 'dall-e-3' does not exist.",
        kind=USER_ERROR,
        param="model",
    ),
    "rate_limit_exceeded": _rate_limit("429: too many pictures a minute, with no word on when to come back"),
    "rate_limit_retry_after": _rate_limit("429 with Retry-After in seconds", 1),
    "rate_limit_retry_after_date": _rate_limit("429 with Retry-After as an HTTP date", 2, "date"),
    "rate_limit_retry_after_ms": _rate_limit("429 with retry-after-ms", 0.25, "milliseconds"),
    "slow_down": _error(
        "429: the load grew too fast",
        429,
        "slow_down",
        "Your traffic has increased too quickly. Reduce the rate of requests and increase it gradually.",
        kind="rate_limit_error",
        retry_after=1,
    ),
    "insufficient_quota": _out_of_money(
        "insufficient_quota", "You exceeded your current quota, please check your plan and billing details."
    ),
    "credit_balance_exhausted": _out_of_money(
        "credit_balance_exhausted", "Your credit balance is exhausted. Add credits to continue."
    ),
    "organization_spend_limit_exceeded": _out_of_money(
        "organization_spend_limit_exceeded", "Your organization has reached its monthly spend limit."
    ),
    "project_spend_limit_exceeded": _out_of_money(
        "project_spend_limit_exceeded", "This project has reached its monthly spend limit."
    ),
    "organization_usage_limit_exceeded": _out_of_money(
        "organization_usage_limit_exceeded", "Your organization has reached its monthly usage limit."
    ),
    "server_error": _error(
        "500 with an error object",
        500,
        "server_error",
        "The server had an error while processing your request. Sorry about that!",
        kind="server_error",
    ),
    "server_is_overloaded": _error(
        "503 with an error object",
        503,
        "server_is_overloaded",
        "The server is currently overloaded with other requests. Please try again later.",
        kind="service_unavailable_error",
    ),
    "models_restricted_key": _error(
        "403 to GET /v1/models/{id}: the key may not read models",
        403,
        "missing_scope",
        "You have insufficient permissions for this operation. Missing scopes: api.model.read.",
        route=Route.MODELS,
    ),
    "status": Fault(description="any status, body and headers", bills=False, status=418, body={"error": "teapot"}),
}
