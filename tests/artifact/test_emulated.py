"""The built artifact with AWS's runtime interface emulator and client, on the runtime's own Python version.

Two tests measure time and memory for docs/batches.md: python -m pytest tests/artifact/test_emulated.py -m slow -s
"""

import time
from typing import Any
from uuid import uuid4

import pytest

from local.account import BUCKET, Account
from local.gateway import Gateway
from local.openai_stand_in import StandIn
from tests.artifact.conftest import Start
from tests.contract import CONTRACT
from tests.events import event_for, read_event
from tests.module import fetch

pytestmark = pytest.mark.slow

MEGABYTE = 1024 * 1024
LINES = 100_000
SCALE = 10
"""The promise is for a million lines."""
LONGEST_SECONDS = 600
SHARD_PICTURES = 150


def test_generate_function_buys_once_in_two_environments(start: Start, stand_in: StandIn) -> None:
    event = read_event("with-key")
    first, second = start(), start()

    bought, replayed = first.invoke(event), second.invoke(event)
    too_large = first.invoke(event_for("x", data={"prompt_image": "x", "large": "x" * 5_000}), answer_bytes=20_000)

    assert (bought["_meta_"]["replayed"], replayed["_meta_"]["replayed"]) == (False, True)
    assert bought["data"]["localPath"] == replayed["data"]["localPath"]
    assert fetch(replayed["data"]["urlPath"]).startswith(b"\x89PNG\r\n\x1a\n")
    assert (too_large["errorType"], "20000 bytes" in too_large["errorMessage"]) == ("InvalidRequestError", True)
    assert stand_in.ledger()["requests"] == stand_in.ledger()["billed"] == 1
    for emulator in (first, second):
        assert emulator.log.count("INIT START") == 1
        assert stand_in.api_key not in emulator.log
        assert bought["_meta_"]["prompt"] not in emulator.log


def test_small_functions_work(start: Start) -> None:
    get_picture = Gateway(CONTRACT, lambda event, _: event).event("GET", f"/clients/1/images/{uuid4()}", {}, b"")
    machine = "arn:aws:states:us-east-1:123456789012:stateMachine:machine"
    api = start("api", STATE_MACHINE_ARN=machine, API_AUTHORIZATION="none")
    watch, count = start("model_watch", IMAGE_MODELS="gpt-image-2"), start("count_results")

    assert api.invoke(get_picture)["statusCode"] == 404
    assert watch.invoke({"credential": "shared/credencial-openai"}).keys() == {"gpt-image-2"}
    assert count.invoke({"name": "batch-1"})["asked"] == 0


def test_deadline_ends_a_purchase_before_lambda_does(start: Start, stand_in: StandIn) -> None:
    emulator = start(seconds=32)  # 22 are kept for storing and as a margin
    stand_in.script("delay", delay=60)

    assert emulator.invoke(event_for("A lighthouse"))["errorType"] == "OutcomeUnknownError"
    assert "data" in emulator.invoke(event_for("A lighthouse at dusk"))
    assert "Task timed out" not in emulator.log


@pytest.mark.parametrize("list_format", ["json", "jsonl", "csv"])
def test_million_lines_fit_into_ten_minutes_and_a_gigabyte(start: Start, account: Account, list_format: str) -> None:
    s3 = account.s3()
    s3.put_object(Bucket=BUCKET, Key="lists/small.jsonl", Body=content_of("jsonl", 1))
    s3.put_object(Bucket=BUCKET, Key=f"lists/large.{list_format}", Body=content_of(list_format, LINES))
    prepare = start("prepare_list", seconds=LONGEST_SECONDS)
    prepare.invoke(event_of("lists/small.jsonl"))
    before = prepare.peak_bytes / MEGABYTE

    began = time.monotonic()
    prepared = prepare.invoke(event_of(f"lists/large.{list_format}"))
    seconds = time.monotonic() - began

    after = prepare.peak_bytes / MEGABYTE
    print(f"{list_format}: {seconds:.1f} s, {before:.0f} MB before, {after:.0f} MB at the peak")  # noqa: T201
    assert prepared["items"] == LINES
    assert seconds * SCALE < LONGEST_SECONDS
    assert before + (after - before) * SCALE < 1024


def test_output_of_460_megabytes_is_imported_in_512(start: Start, stand_in: StandIn) -> None:
    stand_in.picture_bytes = 2_300_000
    items = [event_for(f"A lighthouse {number}", idempotency_key=str(number)) for number in range(SHARD_PICTURES)]
    function = start("batch_shards", seconds=100)  # the import reserves a minute, so it takes several invocations
    event: dict[str, Any] = {"execution": "run", "items": items, "poll_seconds": 1}
    step: dict[str, Any] = {"next": "submit", "shards": []}
    seconds = 0.0
    while step["next"] != "done":
        began, name = time.monotonic(), step["next"]
        step = function.invoke(event | {"step": name, "shards": step["shards"]})
        assert "errorType" not in step, step
        seconds += time.monotonic() - began if name == "import" else 0

    [output] = [file for file in stand_in.batches.files.values() if file.purpose == "batch_output"]
    peak = function.peak_bytes / MEGABYTE
    print(f"{len(output.content) / 1e6:.0f} MB: {peak:.0f} MB at the peak, {seconds / SHARD_PICTURES:.2f} s a picture")  # noqa: T201
    assert len(output.content) > 460_000_000
    assert [len(files) for files in step["results"].values()] == [0, 1]
    assert stand_in.ledger()["billed"] == SHARD_PICTURES
    assert peak < 512


def event_of(key: str) -> dict[str, object]:
    batch = {"list": key, "client_id": 1, "credentials_id": "credencial-openai"}
    return {"input": batch, "execution": "run", "max_concurrency": 5, "tolerated_failure_percentage": 100}


def content_of(list_format: str, lines: int) -> bytes:
    """Return a list with an id and a prompt of 200 characters in each line."""
    prompt = "Un faro al atardecer, con gaviotas. " * 6
    prompts = ((number, f"{prompt[:190]} {number:08}") for number in range(lines))
    if list_format == "csv":
        return ("id,prompt\n" + "".join(f'pedido-{number},"{prompt}"\n' for number, prompt in prompts)).encode()
    items = [f'{{"id": "pedido-{number}", "data": {{"prompt": "{prompt}"}}}}' for number, prompt in prompts]
    return (f"[{','.join(items)}]" if list_format == "json" else "\n".join(items)).encode()
