"""The second step of a shard: find a submission whose response was lost, and read the state of the batch."""

from functools import partial

from generate_image.batch.submission import no_model
from generate_image.batch.tools import Tools
from generate_image.errors import GenerateImageError, RateLimitedError
from generate_image.provider.batch_lines import code_error
from generate_image.provider.batch_response import Batch
from generate_image.provider.errors import NoSuchModelError
from generate_image.shard import Phase, Shard

LOOKS = 3
LOOK_SECONDS = 900
"""A batch that is not in the list after so many searches and so many seconds does not exist."""
QUEUE_PAUSE_SECONDS = 900
LONGEST_QUEUE_SECONDS = 7 * 86_400
"""So long a shard waits for room in the provider's queue. Its file lives twice as long."""
DEAD = frozenset({"failed", "cancelling", "cancelled"})
ENDED = frozenset({"completed", "expired", "cancelled"})


class Check:
    """Looks at a batch and buys nothing. Every call is one small request."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def check(self, shard: Shard) -> Shard:
        """Return the shard as the provider's batch is now. Raises the errors of BatchApi and of the stores."""
        if shard.phase is Phase.SUBMITTING:
            return self._find(shard)
        if shard.phase is Phase.SUBMITTED:
            if shard.submissions > 1:
                shard = self._keep_one(shard, self._batches(shard))
            return self._read(shard)
        return shard

    def _batches(self, shard: Shard) -> list[Batch]:
        """Return the batches of the shard's file that count, the oldest first."""
        found = self._tools.with_credentials(shard, partial(self._tools.api.find, shard.file_id, shard.planned_at))
        return [batch for batch in found if batch.id not in shard.ended]

    def _find(self, shard: Shard) -> Shard:
        batches = self._batches(shard)
        if batches:
            return self._keep_one(shard, batches)
        waited = self._tools.deadline.clock() - shard.submitted_at
        if shard.looks + 1 < LOOKS or waited < LOOK_SECONDS:
            return self._tools.save(shard, looks=shard.looks + 1)
        return self._tools.save(shard, phase=Phase.SUBMIT, looks=shard.looks + 1)

    def _keep_one(self, shard: Shard, batches: list[Batch]) -> Shard:
        """Continue with the oldest batch and cancel the others."""
        if not batches:
            return shard
        kept, *others = [batch for batch in batches if batch.status not in DEAD] or batches[:1]
        if (shard.phase, shard.batch_id) != (Phase.SUBMITTED, kept.id):
            shard = self._tools.save(shard, phase=Phase.SUBMITTED, batch_id=kept.id)
        for batch in others:
            self._tools.log.batch_submitted_twice(batch.id)
            self._tools.with_credentials(shard, partial(self._tools.api.cancel, batch.id))
        return shard

    def _read(self, shard: Shard) -> Shard:
        batch = self._tools.with_credentials(shard, partial(self._tools.api.retrieve, shard.batch_id))
        if batch.status not in ENDED:
            return self._failed(shard, batch) if batch.status == "failed" else shard
        files = {"output_file_id": batch.output_file_id, "error_file_id": batch.error_file_id}
        return self._tools.save(
            shard, phase=Phase.ENDED, completed=batch.completed, offset=0, lines=0, fetches=0, **files
        )

    def _failed(self, shard: Shard, batch: Batch) -> Shard:
        """Continue after a batch that failed its validation: nothing of it was bought."""
        error: GenerateImageError | NoSuchModelError = code_error(batch.codes, shard.model)
        if isinstance(error, NoSuchModelError):
            return self._tools.next_model(shard, no_model(shard))
        now = self._tools.deadline.clock()
        if isinstance(error, RateLimitedError) and now - shard.planned_at < LONGEST_QUEUE_SECONDS:
            return self._tools.save(
                shard,
                phase=Phase.SUBMIT,
                ended=(*shard.ended, batch.id),
                batch_id="",
                submissions=shard.submissions - 1,
                retry_at=now + QUEUE_PAUSE_SECONDS,
            )
        return self._tools.refuse(shard, error)
