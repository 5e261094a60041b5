"""The stand-in's Batch API, with OpenAI's own SDK as its client."""

import base64
import io
import json
from collections.abc import Iterator
from typing import Any, Final

import openai
import pytest
from openai import OpenAI
from openai.types import Batch

from local.openai_stand_in import StandIn
from tests.memory_s3 import Clock

ENDPOINT: Final = "/v1/images/generations"
PROMPTS = ("a lighthouse", "a quay", "a boat", "[moderation_blocked] a fight")


@pytest.fixture
def clock(stand_in: StandIn) -> Clock:
    clock = Clock()
    stand_in.clock, stand_in.batch_seconds = clock, 1000
    return clock


@pytest.fixture
def client(stand_in: StandIn, clock: Clock) -> Iterator[OpenAI]:
    del clock
    with OpenAI(base_url=stand_in.base_url, api_key=stand_in.api_key, max_retries=0) as client:
        yield client


def requests_for(*prompts: str, model: str = "gpt-image-2.6-flare", url: str = ENDPOINT) -> bytes:
    lines = [
        {"custom_id": prompt, "method": "POST", "url": url, "body": {"model": model, "prompt": prompt}}
        for prompt in prompts
    ]
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def submit(client: OpenAI, content: bytes = requests_for(*PROMPTS)) -> Batch:
    file = client.files.create(file=("requests.jsonl", io.BytesIO(content)), purpose="batch")
    return client.batches.create(
        input_file_id=file.id, endpoint=ENDPOINT, completion_window="24h", metadata={"shard": "1"}
    )


def lines_of(client: OpenAI, file_id: str | None) -> list[dict[str, Any]]:
    assert file_id is not None
    return [json.loads(line) for line in client.files.content(file_id).iter_lines() if line]


def test_batch_goes_through_its_states_to_two_files(client: OpenAI, clock: Clock) -> None:
    batch, states = submit(client), []
    for _ in range(11):
        ended = client.batches.retrieve(batch.id)
        states.append(ended.status)
        clock.pass_by(100)

    assert list(dict.fromkeys(states)) == ["validating", "in_progress", "finalizing", "completed"]
    assert batch.metadata == {"shard": "1"}
    pictures = {line["custom_id"]: line["response"]["body"] for line in lines_of(client, ended.output_file_id)}
    assert list(pictures) == list(PROMPTS[2::-1]), "the order of the output is not that of the input"
    assert base64.b64decode(pictures["a quay"]["data"][0]["b64_json"]).startswith(b"\x89PNG")
    [refused] = lines_of(client, ended.error_file_id)
    assert refused["response"]["body"]["error"]["code"] == "moderation_blocked"
    assert ended.request_counts
    assert (ended.request_counts.completed, ended.request_counts.failed) == (3, 1)


def test_cancelled_batch_bills_nothing(client: OpenAI, clock: Clock, stand_in: StandIn) -> None:
    batch = submit(client)
    assert client.batches.cancel(batch.id).status == "cancelled"
    clock.pass_by(2000)

    assert client.batches.retrieve(batch.id).status == "cancelled"
    assert stand_in.ledger()["billed"] == 0
    with pytest.raises(openai.ConflictError):
        client.batches.cancel(batch.id)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (requests_for("twice", "twice"), "duplicate_custom_id"),
        (requests_for("one") + requests_for("two", model="gpt-image-2"), "mismatched_model"),
        (requests_for("one", url="/v1/responses"), "invalid_url"),
        (b"", "empty_file"),
    ],
)
def test_wrong_file_fails_the_validation(client: OpenAI, clock: Clock, content: bytes, code: str) -> None:
    batch = submit(client, content)
    clock.pass_by(200)
    failed = client.batches.retrieve(batch.id)

    assert failed.status == "failed"
    assert failed.errors
    assert [error.code for error in failed.errors.data or []] == [code]
