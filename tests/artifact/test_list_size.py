"""The time and the memory of prepare_list in AWS's emulator, on a list of 100,000 lines.

python -m pytest tests/artifact/test_list_size.py -m slow -s
"""

import sys
import time
from pathlib import Path

import pytest

from local.account import BUCKET, Account
from tests.artifact.conftest import Environments

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="AWS's emulator is a program for Linux"),
]

LINES = 100_000
SCALE = 10
"""The promise is for a million lines."""
LONGEST_SECONDS = 600
MOST_MEGABYTES = 1024


@pytest.mark.parametrize("list_format", ["json", "jsonl", "csv"])
def test_million_lines_fit_into_ten_minutes_and_a_gigabyte(
    environments: Environments, account: Account, tmp_path: Path, list_format: str
) -> None:
    s3 = account.session().client("s3", endpoint_url=account.endpoint)
    s3.put_object(Bucket=BUCKET, Key="lists/small.jsonl", Body=content_of("jsonl", 1))
    s3.put_object(Bucket=BUCKET, Key=f"lists/large.{list_format}", Body=content_of(list_format, LINES))
    prepare = environments.new(tmp_path / "log", "PrepareListFunction", seconds=LONGEST_SECONDS)
    prepare.invoke(event_of("lists/small.jsonl"))
    before = peak_megabytes(prepare.process_id)

    start = time.monotonic()
    prepared = prepare.invoke(event_of(f"lists/large.{list_format}"))
    seconds = time.monotonic() - start

    after = peak_megabytes(prepare.process_id)
    print(f"{list_format}: {seconds:.1f} s, {before:.0f} MB before, {after:.0f} MB at the peak")  # noqa: T201  # for docs/batches.md
    assert prepared["items"] == LINES
    assert seconds * SCALE < LONGEST_SECONDS
    assert before + (after - before) * SCALE < MOST_MEGABYTES


def event_of(key: str) -> dict[str, object]:
    batch = {"list": key, "client_id": 1, "credentials_id": "credencial-openai"}
    return {"input": batch, "execution": "run", "max_concurrency": 5, "tolerated_failure_percentage": 100}


def content_of(list_format: str, lines: int) -> bytes:
    """Return a list with an id and a prompt of 200 characters in each line."""
    prompt = "Un faro al atardecer, con gaviotas. " * 6
    prompts = ((number, f"{prompt[:190]} {number:08}") for number in range(lines))
    if list_format == "csv":
        text = "id,prompt\n" + "".join(f'pedido-{number},"{prompt}"\n' for number, prompt in prompts)
    else:
        items = [f'{{"id": "pedido-{number}", "data": {{"prompt": "{prompt}"}}}}' for number, prompt in prompts]
        text = f"[{','.join(items)}]" if list_format == "json" else "\n".join(items)
    return text.encode()


def peak_megabytes(emulator: int) -> float:
    """Return the peak of the function's process: resident memory, as Lambda counts it."""
    threads = Path(f"/proc/{emulator}/task").glob("*/children")
    [child] = [child for thread in threads for child in thread.read_text("ascii").split()]
    [line] = [
        line for line in Path(f"/proc/{child}/status").read_text("utf-8").splitlines() if line.startswith("VmHWM:")
    ]
    return int(line.split()[1]) / 1024
