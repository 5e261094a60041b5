"""The world that the benchmark measures in."""

from collections.abc import Iterator

import boto3
import pytest
import requests
from botocore.config import Config
from botocore.exceptions import ClientError

from benchmarks.services import API_KEY, MODEL, Services, services
from local.account import BUCKET


@pytest.fixture(scope="module")
def running() -> Iterator[Services]:
    with services() as world:
        yield world


@pytest.fixture
def world(running: Services) -> Services:
    running.reset()
    return running


def put(world: Services, key: str) -> str:
    """Return "stored", or the code with which S3 refuses."""
    client = boto3.client(
        "s3",
        endpoint_url=world.account.endpoint,
        aws_access_key_id="local",
        aws_secret_access_key="local",
        region_name="us-east-1",
        config=Config(retries={"total_max_attempts": 1}),
    )
    try:
        client.put_object(Bucket=BUCKET, Key=key, Body=b"content")
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return "stored"


def test_s3_s_requests_are_counted_by_what_they_are_for(world: Services) -> None:
    put(world, "a.png")
    put(world, "a.json")
    put(world, "b.json")

    assert world.s3_requests() == {"PUT picture": 1, "PUT record": 2}
    assert world.keys() == {"a.png", "a.json", "b.json"}


def test_a_key_that_s3_refuses_is_refused_so_many_times(world: Services) -> None:
    world.fail_s3(rate=1, requests_each=2)

    assert [put(world, "a.png") for _ in range(3)] == ["SlowDown", "SlowDown", "stored"]
    assert put(world, "b.png") == "SlowDown"


def test_keys_are_refused_at_the_rate_that_was_asked_for(world: Services) -> None:
    world.fail_s3(rate=0.05, requests_each=1)

    refused = [put(world, f"{number}.png") for number in range(400)].count("SlowDown")

    assert 8 <= refused <= 32


def test_the_provider_draws_few_pictures_and_bills_every_one(world: Services) -> None:
    for prompt in ("one", "two"):
        requests.post(
            f"{world.provider}/v1/images/generations",
            headers={"Authorization": f"Bearer {API_KEY}"},
            json={"model": MODEL, "prompt": prompt},
            timeout=30,
        ).raise_for_status()

    assert world.ledger()["billed"] == 2
    assert len(world.ledger()["by_prompt"]) == 2
