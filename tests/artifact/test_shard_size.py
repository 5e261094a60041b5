"""The memory and the time of a shard with an output file of 460 MB, in AWS's emulator.

python -m pytest tests/artifact/test_shard_size.py -m slow -s
"""

import sys
import time
from pathlib import Path
from typing import Any

import pytest

from local.account import Account
from local.openai_stand_in import StandIn
from tests.artifact.conftest import Environments
from tests.artifact.test_list_size import peak_megabytes
from tests.events import event_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="AWS's emulator is a program for Linux"),
]

PICTURES = 150
PICTURE_BYTES = 2_300_000
FILE_BYTES = 460_000_000
MOST_MEGABYTES = 512
SECONDS = 100
"""The import reserves a minute of them, so it takes several invocations."""


def test_output_of_460_megabytes_is_imported_in_512(
    environments: Environments, account: Account, stand_in: StandIn, tmp_path: Path
) -> None:
    del account
    stand_in.picture_bytes = PICTURE_BYTES
    items = [event_for(f"A lighthouse {number}", idempotency_key=str(number)) for number in range(PICTURES)]
    function = environments.new(tmp_path / "log", "BatchShardsFunction", seconds=SECONDS)
    event: dict[str, Any] = {"execution": "run", "items": items, "poll_seconds": 1}
    step: dict[str, Any] = {"next": "submit", "shards": []}
    seconds = 0.0
    while step["next"] != "done":
        start, name = time.monotonic(), step["next"]
        step = function.invoke(event | {"step": name, "shards": step["shards"]})
        assert "errorType" not in step, step
        seconds += time.monotonic() - start if name == "import" else 0

    [output] = [file for file in stand_in.batches.files.values() if file.purpose == "batch_output"]
    peak = peak_megabytes(function.process_id)
    size = len(output.content) / 1e6
    print(f"\n{size:.0f} MB: {peak:.0f} MB at the peak, {seconds / PICTURES:.2f} s for each picture", end="")  # noqa: T201  # for docs/batches.md
    assert len(output.content) > FILE_BYTES
    assert [len(files) for files in step["results"].values()] == [0, 1]
    assert stand_in.ledger()["billed"] == PICTURES
    assert peak < MOST_MEGABYTES
