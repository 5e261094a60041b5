"""The Batch API's client over real HTTP, against the stand-in."""

import json
from itertools import pairwise

import pytest

from generate_image.credentials import Credentials
from generate_image.deadline import Deadline
from generate_image.errors import OutcomeUnknownError, ProviderAuthError, ProviderUnavailableError
from generate_image.provider.batch_api import BatchApi, FileNotReadyError
from generate_image.provider.batch_lines import request_lines
from local.openai_stand_in import StandIn
from tests.memory_s3 import Clock

MODEL = "gpt-image-2.6-flare"
BODY = {"model": MODEL, "n": 1, "size": "1024x1024", "quality": "low"}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def api(stand_in: StandIn, clock: Clock) -> BatchApi:
    stand_in.clock = clock
    deadline = Deadline(clock)
    deadline.start(600)
    return BatchApi(stand_in.base_url, deadline)


@pytest.fixture
def key(stand_in: StandIn) -> Credentials:
    return Credentials(api_key=stand_in.api_key)


def uploaded(api: BatchApi, key: Credentials, count: int = 3) -> str:
    requests = [(f"id-{number}", {**BODY, "prompt": f"boat {number}"}) for number in range(count)]
    return api.upload(request_lines(requests), key)


def test_batch_is_submitted_with_its_metadata(api: BatchApi, key: Credentials, stand_in: StandIn) -> None:
    batch = api.create(uploaded(api, key), {"shard": "1"}, key, model=MODEL)

    assert stand_in.batches.batches[batch.id].metadata == {"shard": "1"}
    ended = api.retrieve(batch.id, key)
    assert (ended.status, ended.completed, ended.error_file_id) == ("completed", 3, None)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("batch_lost", OutcomeUnknownError),
        ("batch_error", OutcomeUnknownError),
        ("file_not_found", FileNotReadyError),
    ],
)
def test_submission_without_a_batch_says_whether_one_may_exist(
    api: BatchApi, key: Credentials, stand_in: StandIn, fault: str, error: type[Exception]
) -> None:
    file_id = uploaded(api, key)
    stand_in.batches.faults.append(fault)

    with pytest.raises(error):
        api.create(file_id, {}, key, model=MODEL)

    assert len(api.find(file_id, 0, key)) == (error is OutcomeUnknownError)


def test_batches_of_a_file_are_found_behind_the_first_page(api: BatchApi, key: Credentials, clock: Clock) -> None:
    wanted, other = uploaded(api, key), uploaded(api, key)
    first = api.create(wanted, {}, key, model=MODEL)
    for _ in range(120):
        api.create(other, {}, key, model=MODEL)
    clock.pass_by(1)
    second = api.create(wanted, {}, key, model=MODEL)

    assert [batch.id for batch in api.find(wanted, 0, key)] == [first.id, second.id]


def test_ended_batch_can_be_cancelled_without_an_error(api: BatchApi, key: Credentials) -> None:
    batch = api.create(uploaded(api, key), {}, key, model=MODEL)
    api.retrieve(batch.id, key)

    api.cancel(batch.id, key)


@pytest.mark.parametrize("takes_ranges", [True, False])
def test_lines_continue_at_each_position(
    api: BatchApi,
    key: Credentials,
    stand_in: StandIn,
    takes_ranges: bool,  # noqa: FBT001
) -> None:
    stand_in.batches.takes_ranges = takes_ranges
    batch = api.retrieve(api.create(uploaded(api, key), {}, key, model=MODEL).id, key)
    file_id = batch.output_file_id or ""

    lines = list(api.lines(file_id, key))
    ids = [json.loads(line.content)["custom_id"] for line in lines]

    assert all(line.is_whole for line in lines)
    for place, (line, following) in enumerate(pairwise(lines)):
        [first, *_] = api.lines(file_id, key, offset=line.end)
        assert (first.content, first.end) == (following.content, following.end)
        assert json.loads(first.content)["custom_id"] == ids[place + 1]
    assert list(api.lines(file_id, key, offset=lines[-1].end)) == []


def test_wrong_key_is_named(api: BatchApi) -> None:
    with pytest.raises(ProviderAuthError):
        api.upload([], Credentials(api_key="sk-wrong"))


def test_provider_that_is_down_is_a_reason_to_retry(api: BatchApi, stand_in: StandIn) -> None:
    nowhere = Credentials(api_key=stand_in.api_key, base_url="http://127.0.0.1:9/v1")
    with pytest.raises(ProviderUnavailableError):
        api.retrieve("batch_1", nowhere)
