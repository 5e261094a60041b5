"""The function that buys a shard: a step of its child execution in, the next step out.

The execution repeats ``submit``, ``check`` and ``import`` as the result says. Each may be repeated and interrupted.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Any

from generate_image.aws.batch_files import BatchFiles
from generate_image.aws.shards import ShardStore
from generate_image.batch.check import Check
from generate_image.batch.importing import Import
from generate_image.batch.planning import Planning
from generate_image.batch.results import Results
from generate_image.batch.submission import Submission
from generate_image.batch.tools import Tools, next_step
from generate_image.errors import ConfigurationError
from generate_image.event import STEP_FUNCTIONS_ANSWER_BYTES
from generate_image.functions._parts import BuyingParts, PartClasses
from generate_image.functions._runtime import Environment, LambdaContext, Serve, entry_point
from generate_image.provider.batch_api import BatchApi
from generate_image.shard import Phase, Shard, shard_key

READ_SECONDS = 60
"""The longest wait for S3: a picture of 32 MB is stored in one request."""


@dataclass(frozen=True)
class Parts(PartClasses):
    """The classes of the function's parts."""

    shards: type[ShardStore] = ShardStore
    planning: type[Planning] = Planning
    submission: type[Submission] = Submission
    check: type[Check] = Check
    importing: type[Import] = Import


PARTS = Parts()


def build(environment: Environment, *, parts: Parts = PARTS) -> Serve:
    """Return the function."""
    settings, deadline, s3 = environment.settings, environment.deadline, environment.clients.s3
    shared = BuyingParts(environment, parts)
    tools = Tools(
        settings=settings,
        deadline=deadline,
        credentials=shared.credentials,
        leases=shared.leases,
        records=shared.records,
        pictures=shared.pictures,
        budget=shared.budget,
        api=BatchApi(settings.openai_base_url, deadline),
        shards=parts.shards(s3, settings.image_bucket, sleep=environment.sleep),
        files=BatchFiles(s3, settings.image_bucket),
        links=shared.links,
        log=environment.log,
    )
    parse = partial(shared.parse, default_key="", answer_bytes=STEP_FUNCTIONS_ANSWER_BYTES)
    planning, results = parts.planning(tools, parse), Results(tools, parse)
    advance = {
        "submit": parts.submission(tools).submit,
        "check": parts.check(tools).check,
        "import": parts.importing(tools).advance,
    }

    def serve(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
        """Run a step. event: ``step``, ``execution``, ``items``, ``poll_seconds``, and ``shards``, which are ids.

        Returns ``next``, the next step, ``seconds`` to wait before it, ``shards``, and ``results``: at the end, the
        result files by status.
        """
        del context
        execution, items, step = event["execution"], event["items"], event["step"]
        shards = [_known(tools, execution, shard_id) for shard_id in event["shards"]]
        if step == "submit" and not shards:
            shards = planning.plan(execution, items)
        shards = [advance[step](shard) for shard in shards]
        found = next_step(shards, environment.clock(), event["poll_seconds"])
        result = {"next": found.name, "seconds": found.seconds, "shards": [shard.id for shard in shards], "results": {}}
        if step == "import" and all(shard.phase is Phase.IMPORTED for shard in shards):
            prefix = f"results/{execution}/shards/{_name(items)}"
            return result | {"next": "done", "results": results.write(shards, items, prefix)}
        return result

    return serve


def _known(tools: Tools, execution: str, shard_id: str) -> Shard:
    shard = tools.shards.read(shard_key(execution, shard_id))
    if shard is None:
        raise ConfigurationError(
            "The bucket no longer has the shard. Check BatchRetentionDays, and that nothing deletes results/."
        )
    return shard


def _name(items: Sequence[object]) -> str:
    """Return a name for the results of these items, the same for each repetition."""
    return sha256(json.dumps(items).encode()).hexdigest()[:32]


handler = entry_point(build, service="batch-shards", read_seconds=READ_SECONDS)
