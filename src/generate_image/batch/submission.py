"""The first step of a shard: the file of requests, and one batch.

A batch that may exist is never submitted again before the list of batches has shown that it does not.
"""

from typing import Any

from generate_image.batch.tools import LEASE_SECONDS, Tools
from generate_image.credentials import Credentials
from generate_image.errors import (
    ConfigurationError,
    GenerateImageError,
    ModelUnavailableError,
    OutcomeUnknownError,
    ProviderUnavailableError,
    RateLimitedError,
    StorageError,
)
from generate_image.provider.batch_api import FileNotReadyError
from generate_image.provider.batch_lines import request_lines
from generate_image.provider.batch_response import Batch
from generate_image.provider.errors import NoSuchModelError
from generate_image.provider.models import request_parameters
from generate_image.record import Status
from generate_image.shard import Phase, Shard

LATEST_SUBMISSION_SECONDS = 1800
"""So long after its leases were acquired, a shard may still submit its batch."""
SUBMISSION_SECONDS = 15.0
"""The least time for a submission. One that is cut off at the end of the invocation must be searched for."""
PAUSE_SECONDS = 60
MOST_MISSING = 5


class Submission:
    """Uploads the requests of a shard and submits its batch."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def submit(self, shard: Shard) -> Shard:
        """Continue a shard up to its batch."""
        if shard.phase is Phase.UPLOAD:
            shard = self._upload(shard)
        if shard.phase is Phase.SUBMIT and shard.retry_at <= self._tools.deadline.clock():
            shard = self._submit(shard)
        return shard

    def _upload(self, shard: Shard) -> Shard:
        """Upload the requests for the pictures that are still to be bought."""
        shard = self._with_long_leases(shard)
        records = list(self._tools.held(shard))
        if not records:
            return self._tools.save(shard, phase=Phase.IMPORTED)
        quality = self._tools.settings.image_quality

        def upload(credentials: Credentials) -> str:
            requests = (
                (record.image_id, request_parameters(shard.model, record.prompt, quality, record.options))
                for record in records
            )
            return self._tools.api.upload(request_lines(requests), credentials)

        try:
            file_id = self._tools.with_credentials(shard, upload)
        except GenerateImageError as error:
            if error.retryable:
                raise
            return self._tools.refuse(shard, error)
        return self._tools.save(
            shard,
            phase=Phase.SUBMIT,
            requested=tuple(record.image_id for record in records),
            file_id=file_id,
            submissions=0,
            missing_file=0,
        )

    def _submit(self, shard: Shard) -> Shard:
        """Save that a batch may exist, then submit it once."""
        if shard.lease_until - LEASE_SECONDS + LATEST_SUBMISSION_SECONDS < self._tools.deadline.clock():
            shard = self._with_long_leases(shard)
            if tuple(record.image_id for record in self._tools.held(shard)) != shard.requested:
                return self._upload(self._tools.save(shard, phase=Phase.UPLOAD))
        if self._tools.deadline.remaining() < SUBMISSION_SECONDS:
            return shard  # the next invocation has the time
        shard = self._tools.save(
            shard,
            phase=Phase.SUBMITTING,
            submissions=shard.submissions + 1,
            submitted_at=self._tools.deadline.clock(),
            looks=0,
        )
        try:
            batch = self._create(shard)
        except (FileNotReadyError, NoSuchModelError, GenerateImageError) as error:
            return self._not_submitted(shard, error)
        return self._tools.save(shard, phase=Phase.SUBMITTED, batch_id=batch.id)

    def _create(self, shard: Shard) -> Batch:
        metadata = {"stack": self._tools.settings.credentials_prefix, "execution": shard.execution, "shard": shard.id}
        return self._tools.with_credentials(
            shard, lambda credentials: self._tools.api.create(shard.file_id, metadata, credentials, model=shard.model)
        )

    def _not_submitted(self, shard: Shard, error: Exception) -> Shard:
        """Save the result of a submission without a batch's id. Raises an error that is not the provider's."""
        match error:
            case OutcomeUnknownError():
                return shard  # the check looks for the batch
            case FileNotReadyError() if shard.missing_file >= MOST_MISSING and shard.submissions == 1:
                return self._tools.save(shard, phase=Phase.UPLOAD)
            case FileNotReadyError():
                return self._again(shard, PAUSE_SECONDS, missing_file=shard.missing_file + 1)
            case NoSuchModelError():
                return self._tools.next_model(shard, no_model(shard))
            case RateLimitedError() | ProviderUnavailableError():
                return self._again(shard, error.retry_after or PAUSE_SECONDS)
            case GenerateImageError() if not isinstance(error, StorageError | ConfigurationError):
                return self._tools.refuse(shard, error)
        raise error  # the credentials were not read again

    def _again(self, shard: Shard, seconds: float, **changes: Any) -> Shard:  # noqa: ANN401  # fields of Shard
        """Save that this submission made no batch, and that the next one has to wait."""
        retry_at = self._tools.deadline.clock() + seconds
        return self._tools.save(
            shard, phase=Phase.SUBMIT, submissions=shard.submissions - 1, retry_at=retry_at, **changes
        )

    def _with_long_leases(self, shard: Shard) -> Shard:
        """Extend the leases to the end of a batch that starts now, if they were acquired some time ago."""
        now = self._tools.deadline.clock()
        if shard.lease_until >= now + LEASE_SECONDS - LATEST_SUBMISSION_SECONDS:
            return shard
        lease_until = round(now + LEASE_SECONDS, 3)
        for record in self._tools.held(shard):
            longer = record._replace(status=Status.STARTED, error=None, lease_until=lease_until)
            self._tools.write(longer, replacing=record)
        return self._tools.save(shard, lease_until=lease_until)


def no_model(shard: Shard) -> ModelUnavailableError:
    """Return the error of a shard whose last model does not exist."""
    return ModelUnavailableError(f"The provider's Batch API does not have {shard.model}, the last of IMAGE_MODELS.")
