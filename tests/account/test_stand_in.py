"""The stand-in satisfies the official SDK, refuses and bills as OpenAI does, and fails as its script says."""

import base64
import io
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Any, Final, get_args, get_origin, get_type_hints

import pytest
import requests
from openai import OpenAI
from openai.types import ImageModel
from openai.types.image_generate_params import ImageGenerateParamsBase
from PIL import Image

from generate_image.provider.models import output_tokens, price_list
from local.openai_stand_in import StandIn
from local.openai_stand_in.parameters import MODELS, RefusalError, accept
from tests.memory_s3 import Clock

ENDPOINT: Final = "/v1/images/generations"
MODEL = "gpt-image-2.6-flare"
PROMPT = "a quiet lake"
SDK: dict[str, Any] = get_type_hints(ImageGenerateParamsBase)
NOT_OFFERED = {"output_format": {"gif", "svg"}, "size": {"256x256", "512x512"}}


@pytest.fixture
def client(stand_in: StandIn) -> Iterator[OpenAI]:
    with OpenAI(base_url=stand_in.base_url, api_key=stand_in.api_key, max_retries=0, timeout=30) as opened:
        yield opened


def test_sdk_reads_a_model_and_its_picture(stand_in: StandIn, client: OpenAI) -> None:
    stand_in.clock = datetime(2026, 11, 30, tzinfo=UTC).timestamp
    assert client.models.retrieve("gpt-image-1.5").shutdown_date == "2026-12-01"
    options = {"size": "1536x1024", "output_format": "webp", "background": "transparent", "moderation": "low"}
    response = client.images.generate(model=MODEL, prompt=PROMPT, extra_body=options)

    assert (response.size, response.quality, response.output_format) == ("1536x1024", "medium", "webp")
    assert response.data
    assert response.usage
    assert (response.usage.input_tokens, response.usage.output_tokens, response.usage.total_tokens) == (3, 343, 346)
    with Image.open(io.BytesIO(base64.b64decode(response.data[0].b64_json or "", validate=True))) as picture:
        assert (picture.format, picture.size) == ("WEBP", (1536, 1024))
        assert picture.getchannel("A").getextrema() == (0, 255)


def test_ledger_counts_requests_pictures_and_dollars(stand_in: StandIn) -> None:
    given: list[dict[str, object]] = [{}, {"quality": "low"}, {"n": 0}, {"prompt": "else"}, {}]
    keys = [stand_in.api_key] * 4 + ["sk-another"]
    responses = [
        requests.post(
            f"{stand_in.url}{ENDPOINT}",
            json={"model": MODEL, "prompt": PROMPT, **parameters},
            headers={"Authorization": f"Bearer {key}"},
            timeout=30,
        )
        for parameters, key in zip(given, keys, strict=True)
    ]

    assert responses[-1].json()["error"]["code"] == "invalid_api_key"
    ledger = stand_in.ledger()
    assert (ledger["requests"], ledger["billed"]) == (5, 3)
    assert ledger["usd"] == pytest.approx((2 * 439 + 196) * 30e-6 + (3 + 3 + 1) * 5e-6)
    assert ledger["by_prompt"][sha256(PROMPT.encode()).hexdigest()[:16]] == {"requests": 4, "billed": 2}
    assert [entry["status"] for entry in ledger["recent"]] == [200, 200, 400, 200, 401]
    assert PROMPT not in json.dumps(ledger)


def test_batch_goes_through_its_states_to_two_files(client: OpenAI, stand_in: StandIn) -> None:
    clock, states = Clock(), []
    stand_in.clock, stand_in.batch_seconds = clock, 1000
    lines = [
        {"custom_id": prompt, "method": "POST", "url": ENDPOINT, "body": {"model": MODEL, "prompt": prompt}}
        for prompt in ("a lighthouse", "a quay", "[moderation_blocked] a fight")
    ]
    content = io.BytesIO("\n".join(map(json.dumps, lines)).encode())
    file = client.files.create(file=("requests.jsonl", content), purpose="batch")
    batch = client.batches.create(
        input_file_id=file.id, endpoint=ENDPOINT, completion_window="24h", metadata={"shard": "1"}
    )
    for _ in range(11):
        ended = client.batches.retrieve(batch.id)
        states.append(ended.status)
        clock.pass_by(100)

    assert list(dict.fromkeys(states)) == ["validating", "in_progress", "finalizing", "completed"]
    assert batch.metadata == {"shard": "1"}
    output, errors = (
        [json.loads(line) for line in client.files.content(file_id or "").iter_lines() if line]
        for file_id in (ended.output_file_id, ended.error_file_id)
    )
    pictures = {line["custom_id"]: line["response"]["body"] for line in output}
    assert list(pictures) == ["a quay", "a lighthouse"], "the order of the output is not that of the input"
    assert base64.b64decode(pictures["a quay"]["data"][0]["b64_json"]).startswith(b"\x89PNG")
    assert [line["response"]["body"]["error"]["code"] for line in errors] == ["moderation_blocked"]
    assert ended.request_counts
    assert (ended.request_counts.completed, ended.request_counts.failed) == (2, 1)


def literals(annotation: object) -> set[str]:
    """Return every string of the Literals within an annotation."""
    if get_origin(annotation) is None:
        return {annotation} if isinstance(annotation, str) else set()
    return set().union(*map(literals, get_args(annotation)))


def test_values_are_those_of_the_sdk() -> None:
    assert set(MODELS) == set(get_args(ImageModel)) - {"dall-e-2"}
    names = {name for model in MODELS.values() for name in model.choices}
    assert names | {"model", "prompt", "n", "output_compression"} <= SDK.keys()
    for name in names:
        known = {value for model in MODELS.values() for value in model.choices.get(name, ())}
        assert known | NOT_OFFERED.get(name, set()) == literals(SDK[name])


def test_prices_are_those_of_the_module() -> None:
    for name, price in price_list()["usd_per_million_tokens"].items():
        assert MODELS[name].usd_per_million_tokens == (price["input"], price["output"])
        for quality in MODELS[name].patches or ():
            assert output_tokens(name, quality, "1536x1024") in {None, MODELS[name].output_tokens(1536, 1024, quality)}
    for name, picture_price in price_list()["usd_per_picture"].items():
        assert MODELS[name].usd_per_picture == picture_price


@pytest.mark.parametrize(
    ("model", "size", "quality", "tokens"),
    [
        (MODEL, "1024x1024", "low", 196),
        (MODEL, "1024x1024", "max", 7024),
        (MODEL, "3840x2160", "medium", 865),
        ("gpt-image-2", "2048x2048", "medium", 3568),
        ("dall-e-3", "1024x1024", "standard", 0),
    ],
)
def test_picture_costs_the_published_tokens(model: str, size: str, quality: str, tokens: int) -> None:
    document = {"model": model, "prompt": "x" * 41, "n": 1, "size": size, "quality": quality}
    generation = accept(document, MODELS, date(2026, 1, 1))

    assert (generation.input_tokens, generation.output_tokens) == (11, tokens)
    per_input, per_output = generation.model.usd_per_million_tokens
    assert generation.microdollars == (11 * per_input + tokens * per_output if tokens else 40_000)


@pytest.mark.parametrize(
    ("parameters", "code", "param"),
    [
        ({"prompt": "x" * 32_001}, "string_above_max_length", "prompt"),
        ({"model": "gpt-image-1"}, "invalid_value", "model"),
        ({"response_format": "b64_json"}, "unknown_parameter", "response_format"),
        ({"size": "1000x1000"}, "invalid_value", "size"),
        ({"background": "transparent", "output_format": "jpeg"}, "invalid_value", "background"),
        ({"output_compression": 50}, "invalid_value", "output_compression"),
        ({"output_compression": 101, "output_format": "jpeg"}, "integer_above_max_value", "output_compression"),
    ],
)
def test_bad_parameter_is_refused(parameters: dict[str, Any], code: str, param: str) -> None:
    with pytest.raises(RefusalError) as refusal:
        accept({"model": MODEL, "prompt": "p", **parameters}, MODELS, date(2026, 11, 30))
    error = refusal.value.body["error"]
    assert (refusal.value.status, error["code"], error["param"]) == (400, code, param)
