"""The function that buys shards, in ``make batch … PRICING=batch``: it keeps the pictures of each ended shard."""

import json
import threading
from hashlib import sha256
from itertools import count
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from generate_image.functions import batch_shards
from local.account import BUCKET
from local.batch_folder import BatchFolder
from local.lambda_context import LocalContext
from local.watched import StoppedError
from local.workspace import Workspace

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

STAND_IN_POLL_SECONDS = 1


class Shards:
    """Runs the steps of shards and counts their items: ``done``, and of these ``failed``."""

    def __init__(self, local: Workspace, folder: BatchFolder, stopped: threading.Event) -> None:
        """Keep the pictures in ``folder``. stopped: set once no more steps start."""
        self._function = local.function(batch_shards.build)
        self._local = local
        self._folder = folder
        self._stopped = stopped
        self._lock = threading.Lock()
        self._waiting: dict[str, int] = {}
        self.done = 0
        self.failed = 0

    def __call__(self, event: Any, context: LocalContext) -> Any:  # noqa: ANN401  # JSON
        """Run a step. Raises StoppedError, and the errors of the function.

        The batches of the stand-in end with this process, so a stop waits for them.
        """
        if self._stopped.is_set() and self._local.provider.costs_money:
            raise StoppedError("The command was stopped. A submitted batch goes on at the provider.")
        step = self._function(event, context)
        with self._lock:
            self._waiting |= dict.fromkeys(step["shards"], step["seconds"])
            if step["next"] == "done":
                self._waiting = {name: left for name, left in self._waiting.items() if name not in step["shards"]}
                for file in (file for files in step["results"].values() for file in files):
                    for line in map(json.loads, self._folder.read(file["Key"]).splitlines()):
                        self._count(line)
        return step

    def _count(self, line: Any) -> None:  # noqa: ANN401  # JSON
        self.done += 1
        if line["Status"] == "SUCCEEDED":
            self._folder.keep(json.loads(line["Input"]), json.loads(line["Output"]))
        else:
            self.failed += 1

    def waiting(self) -> str:
        """Return a line about the shards whose batches are at the provider; empty if there is none."""
        with self._lock:
            seconds = min(self._waiting.values(), default=0)
            return f"shards at the provider: {len(self._waiting)}, next look in {seconds} s" if self._waiting else ""


def execution_name(name: str, s3: "S3Client") -> str:
    """Return the name of a batch's first execution that has no results: the same command continues it."""
    prefix = sha256(name.encode()).hexdigest()[:16]
    for number in count():
        try:
            s3.head_object(Bucket=BUCKET, Key=f"results/{prefix}-{number}/manifest.json")
        except ClientError:
            return f"{prefix}-{number}"
    raise AssertionError
