"""The first step of a shard: leases, budget, the file of requests, and one batch.

A batch that may exist is never submitted again before the list of batches has shown that it does not.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from uuid import uuid5

from generate_image.batch.tools import Tools
from generate_image.errors import (
    ConfigurationError,
    DownloadError,
    GenerateImageError,
    InvalidRequestError,
    ModelUnavailableError,
    OutcomeUnknownError,
    ProviderUnavailableError,
    RateLimitedError,
    StorageError,
)
from generate_image.event import ImageRequest, image_id, request_hash
from generate_image.money import NOTHING, MicroUsd
from generate_image.provider.batch_api import Batch, FileNotReadyError
from generate_image.provider.batch_lines import request_lines
from generate_image.provider.errors import NoSuchModelError
from generate_image.provider.models import is_dall_e, refusal, request_parameters
from generate_image.record import Record, Status
from generate_image.shard import Phase, Shard, shard_key

BATCH_SECONDS = 24 * 3600
"""The completion window, the only one that the provider offers."""
LEASE_SECONDS = BATCH_SECONDS + 3600
"""A lease lasts until the import of the batch."""
LATEST_SUBMISSION_SECONDS = 1800
"""So long after its leases were acquired, a shard may still submit its batch."""
FEWEST_RETENTION_DAYS = 2
"""A record must live longer than a batch: without it, the key would buy again."""
SUBMISSION_SECONDS = 15.0
"""The least time for a submission. One that is cut off at the end of the invocation must be searched for."""
PAUSE_SECONDS = 60
MOST_MISSING = 5

Parse = Callable[[object], ImageRequest]


class Group(NamedTuple):
    """The pictures of one batch share these."""

    client_id: str
    credentials_id: str
    models: tuple[str, ...]


class Submission:
    """Plans shards and submits their batches."""

    def __init__(self, tools: Tools, parse: Parse) -> None:
        """parse: returns the request of an event. Raises InvalidRequestError."""
        self._tools = tools
        self._parse = parse

    def plan(self, execution: str, items: Sequence[object]) -> list[Shard]:
        """Return the shards of these items: as they are now, or new ones whose leases are acquired.

        Raises StorageError and ConfigurationError.
        """
        days = self._tools.settings.picture_retention_days
        if days < FEWEST_RETENTION_DAYS:
            raise ConfigurationError(
                f"A batch at half the price takes up to 25 hours, and PictureRetentionDays is {days}. Set it to at "
                f"least {FEWEST_RETENTION_DAYS}."
            )
        groups: dict[Group, list[ImageRequest]] = {}
        for item in items:
            try:
                request = self._parse(item)
            except InvalidRequestError:
                continue  # its result is this error
            groups.setdefault(self._group(request), []).append(request)
        return [self._shard(execution, group, requests) for group, requests in groups.items()]

    def submit(self, shard: Shard) -> Shard:
        """Continue a shard up to its batch."""
        if shard.phase is Phase.UPLOAD:
            shard = self._upload(shard)
        if shard.phase is Phase.SUBMIT and shard.retry_at <= self._tools.deadline.clock():
            shard = self._submit(shard)
        return shard

    def _group(self, request: ImageRequest) -> Group:
        models = tuple(
            model
            for model in self._tools.settings.image_models
            if not is_dall_e(model) and not refusal(model, request.prompt, request.options)
        )
        return Group(request.client_id, request.credentials_id, models)

    def _shard(self, execution: str, group: Group, requests: Sequence[ImageRequest]) -> Shard:
        settings, now = self._tools.settings, self._tools.deadline.clock()
        pictures = [(request.idempotency_key, request_hash(request, settings)) for request in requests]
        name = json.dumps([execution, *group, *pictures])
        shard_id = str(uuid5(settings.image_namespace, name))
        known = self._tools.shards.read(shard_key(execution, shard_id))
        if known is not None:
            return known
        lease_until = round(now + LEASE_SECONDS, 3)
        news = [self._record(request, shard_id, lease_until) for request in requests]
        planned = Shard(
            id=shard_id,
            execution=execution,
            client_id=group.client_id,
            credentials_id=group.credentials_id,
            models=group.models,
            planned_at=now,
            lease_until=lease_until,
        )
        try:
            if not group.models:
                raise ModelUnavailableError("No model of the Batch API takes this picture. Set IMAGE_MODELS to one.")
            credentials = self._tools.credentials.read(group.client_id, group.credentials_id)
        except (StorageError, ConfigurationError):
            raise
        except GenerateImageError as error:
            errors = dict.fromkeys((new.image_id for new in news), error.to_dict())
            return self._tools.save(planned, errors=errors, phase=Phase.IMPORTED)
        limit = self._tools.budget.limit_for(credentials)
        acquired, found = self._acquire(news, limit)
        return self._tools.save(
            planned,
            has_budget=bool(limit),
            image_ids=tuple(acquired),
            requested=tuple(acquired),
            errors={name: error.to_dict() for name, error in found.items()},
            phase=Phase.UPLOAD if acquired else Phase.IMPORTED,
        )

    def _record(self, request: ImageRequest, shard_id: str, lease_until: float) -> Record:
        return Record(
            status=Status.STARTED,
            client_id=request.client_id,
            image_id=image_id(request, self._tools.settings),
            request_hash=request_hash(request, self._tools.settings),
            holder=shard_id,
            lease_until=lease_until,
            prompt=request.prompt,
            passed_through=request.passed_through,
            options=request.options,
        )

    def _acquire(self, news: Sequence[Record], limit: MicroUsd) -> tuple[list[str], dict[str, GenerateImageError]]:
        """Acquire the leases. Return the ids of the pictures to buy, and the errors of others.

        A picture that is neither needs no purchase. Under a limit, the price bounds are reserved first.
        """
        errors: dict[str, GenerateImageError] = {}
        leases, budget = self._tools.leases, self._tools.budget
        wanted = list(news)
        if limit:
            wanted = [new for new in news if self._status(leases.current, new, errors) is None]
            errors |= budget.reserve_all(wanted, limit) if wanted else {}
            wanted = [new for new in wanted if new.image_id not in errors]
        acquired = [new.image_id for new in wanted if self._status(leases.acquire, new, errors) is Status.STARTED]
        unused = {new.image_id: NOTHING for new in wanted if new.image_id not in acquired}
        if limit and unused:
            budget.settle_all(wanted[0].client_id, wanted[0].holder, unused)
        return acquired, errors

    def _status(
        self, read: Callable[[Record], Record | None], new: Record, errors: dict[str, GenerateImageError]
    ) -> Status | None:
        """Return the status of a picture's record, None without one; add its error to ``errors``."""
        try:
            record = read(new)
        except (StorageError, ConfigurationError):
            raise
        except GenerateImageError as error:
            errors[new.image_id] = error
            return Status.FAILED
        if record is not None and record.status is Status.GENERATED:
            if record.holder == new.holder:
                self._tools.leases.end(record)
            errors[new.image_id] = DownloadError(
                "The picture was bought, and its download has not ended. Request it at the standard price: nothing is "
                "bought twice."
            )
        return record.status if record else None

    def _upload(self, shard: Shard) -> Shard:
        """Upload the requests for the pictures that are still to be bought."""
        shard = self._with_long_leases(shard)
        records = list(self._tools.held(shard, shard.requested))
        if not records:
            return self._tools.save(shard, phase=Phase.IMPORTED)
        quality = self._tools.settings.image_quality
        content = request_lines(
            (record.image_id, request_parameters(shard.model, record.prompt, quality, record.options))
            for record in records
        )
        try:
            file_id = self._tools.with_credentials(
                shard, lambda credentials: self._tools.api.upload(content, credentials)
            )
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
            if tuple(record.image_id for record in self._tools.held(shard, shard.requested)) != shard.requested:
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
        for record in self._tools.held(shard, shard.requested):
            longer = record._replace(status=Status.STARTED, error=None, lease_until=lease_until)
            self._tools.write(longer, replacing=record)
        return self._tools.save(shard, lease_until=lease_until)


def no_model(shard: Shard) -> ModelUnavailableError:
    """Return the error of a shard whose last model does not exist."""
    return ModelUnavailableError(f"The provider's Batch API does not have {shard.model}, the last of IMAGE_MODELS.")
