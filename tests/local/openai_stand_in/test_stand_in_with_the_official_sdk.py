"""The official SDK, which knows nothing of the stand-in, understands its pictures and raises its own errors."""

from __future__ import annotations

import base64
from datetime import date
from typing import TYPE_CHECKING

import openai
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.openai_stand_in import StandIn

MODEL = "gpt-image-2.6-flare"


@pytest.fixture
def client(stand_in: StandIn) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=stand_in.base_url, api_key=stand_in.api_key, max_retries=0, timeout=5) as opened:
        yield opened


def test_it_parses_a_picture_and_its_usage(client: openai.OpenAI) -> None:
    answer = client.images.generate(model=MODEL, prompt="x" * 41, size="1024x1024", quality="medium")
    assert answer.data
    assert answer.data[0].b64_json
    assert base64.b64decode(answer.data[0].b64_json, validate=True).startswith(b"\x89PNG\r\n")
    assert answer.usage
    assert (answer.usage.input_tokens, answer.usage.output_tokens, answer.usage.total_tokens) == (11, 439, 450)
    assert (answer.size, answer.quality, answer.output_format) == ("1024x1024", "medium", "png")
    assert answer.background == "opaque"


def test_it_parses_an_answer_by_url(stand_in: StandIn, client: openai.OpenAI) -> None:
    stand_in.dall_e_3 = True
    answer = client.images.generate(model="dall-e-3", prompt="a lake", response_format="url", quality="standard")
    assert answer.data
    assert answer.data[0].url
    assert answer.data[0].revised_prompt


@pytest.mark.parametrize(
    ("fault", "error", "code"),
    [
        ("moderation_blocked", openai.BadRequestError, "moderation_blocked"),
        ("content_policy_violation", openai.BadRequestError, "content_policy_violation"),
        ("invalid_value", openai.BadRequestError, "invalid_value"),
        ("unknown_parameter", openai.BadRequestError, "unknown_parameter"),
        ("billing_hard_limit_reached", openai.BadRequestError, "billing_hard_limit_reached"),
        ("model_does_not_exist", openai.BadRequestError, "invalid_value"),
        ("invalid_api_key", openai.AuthenticationError, "invalid_api_key"),
        ("organization_unverified", openai.PermissionDeniedError, None),
        ("model_not_found", openai.NotFoundError, "model_not_found"),
        ("error_detail_list", openai.UnprocessableEntityError, None),
        ("rate_limit_exceeded", openai.RateLimitError, "rate_limit_exceeded"),
        ("slow_down", openai.RateLimitError, "slow_down"),
        ("insufficient_quota", openai.RateLimitError, "insufficient_quota"),
        ("credit_balance_exhausted", openai.RateLimitError, "credit_balance_exhausted"),
        ("organization_spend_limit_exceeded", openai.RateLimitError, "organization_spend_limit_exceeded"),
        ("project_spend_limit_exceeded", openai.RateLimitError, "project_spend_limit_exceeded"),
        ("organization_usage_limit_exceeded", openai.RateLimitError, "organization_usage_limit_exceeded"),
        ("server_error", openai.InternalServerError, "server_error"),
        ("server_is_overloaded", openai.InternalServerError, "server_is_overloaded"),
        ("gateway_524", openai.InternalServerError, None),
    ],
)
def test_it_raises_its_own_error(
    stand_in: StandIn, client: openai.OpenAI, fault: str, error: type[openai.APIStatusError], code: str | None
) -> None:
    stand_in.script(fault)
    with pytest.raises(error) as raised:
        client.images.generate(model=MODEL, prompt="a lake")
    assert type(raised.value) is error
    assert raised.value.code == code
    told = None if fault.startswith("gateway") else stand_in.ledger()["recent"][-1]["request_id"]
    assert raised.value.request_id == told


def test_it_hands_on_the_moderation_details(stand_in: StandIn, client: openai.OpenAI) -> None:
    stand_in.script("moderation_blocked")
    with pytest.raises(openai.BadRequestError) as raised:
        client.images.generate(model=MODEL, prompt="a lake")
    assert raised.value.type == "image_generation_user_error"
    assert isinstance(raised.value.body, dict)
    assert raised.value.body["moderation_details"] == {"moderation_stage": "input", "categories": ["violence"]}


@pytest.mark.parametrize(
    "fault", ["closed_before_billing", "closed_after_billing", "reset_after_billing", "body_truncated"]
)
def test_a_broken_connection_is_a_connection_error(stand_in: StandIn, client: openai.OpenAI, fault: str) -> None:
    stand_in.script(fault)
    with pytest.raises(openai.APIConnectionError):
        client.images.generate(model=MODEL, prompt="a lake")


def test_a_late_answer_is_a_timeout(stand_in: StandIn, client: openai.OpenAI) -> None:
    stand_in.script("delay", delay=2)
    with pytest.raises(openai.APITimeoutError):
        client.images.generate(model=MODEL, prompt="a lake", timeout=0.2)


def test_a_wrong_key_is_an_authentication_error(stand_in: StandIn, client: openai.OpenAI) -> None:
    stand_in.accept_keys({"sk-another"})
    with pytest.raises(openai.AuthenticationError):
        client.images.generate(model=MODEL, prompt="a lake")


def test_its_default_retries_buy_three_pictures(stand_in: StandIn, client: openai.OpenAI) -> None:
    """Why the module does not use it, and the proof that the ledger would tell."""
    stand_in.script("gateway_504", times="always", headers={"retry-after-ms": "1"})
    with pytest.raises(openai.InternalServerError):
        client.with_options(max_retries=2).images.generate(model=MODEL, prompt="a lake")
    assert stand_in.ledger()["billed"] == 3


def test_it_reads_models_and_their_last_day(stand_in: StandIn, client: openai.OpenAI) -> None:
    assert client.models.retrieve(MODEL).shutdown_date is None
    assert client.models.retrieve("gpt-image-1.5").shutdown_date == "2026-12-01"
    stand_in.shutdown_dates = {MODEL: date(2027, 5, 1)}
    assert client.models.retrieve(MODEL).shutdown_date == "2027-05-01"
    assert {model.id for model in client.models.list()} >= {MODEL, "gpt-image-2"}


def test_a_retired_model_is_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as raised:
        client.models.retrieve("dall-e-3")
    assert raised.value.code == "model_not_found"


def test_a_restricted_key_may_not_read_models(stand_in: StandIn, client: openai.OpenAI) -> None:
    stand_in.script("models_restricted_key")
    with pytest.raises(openai.PermissionDeniedError):
        client.models.retrieve(MODEL)
