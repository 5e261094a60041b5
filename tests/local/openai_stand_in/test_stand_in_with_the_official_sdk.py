"""The official SDK, which knows nothing of the stand-in, understands it."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import openai
import pytest

from local.openai_stand_in import StandIn

if TYPE_CHECKING:
    from collections.abc import Iterator

MODEL = "gpt-image-2.6-flare"


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    with StandIn() as running:
        yield running


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
    assert (answer.size, answer.quality, answer.output_format, answer.background) == (
        "1024x1024",
        "medium",
        "png",
        "opaque",
    )
