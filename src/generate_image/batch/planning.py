"""The plan of a shard: its pictures, their leases and their share of the budget."""

import json
from collections.abc import Callable, Sequence
from typing import NamedTuple
from uuid import uuid5

from generate_image.batch.tools import LEASE_SECONDS, Tools
from generate_image.errors import (
    ConfigurationError,
    DownloadError,
    GenerateImageError,
    InvalidRequestError,
    ModelUnavailableError,
    StorageError,
)
from generate_image.event import ImageRequest, request_hash
from generate_image.lease import new_record
from generate_image.money import NOTHING, MicroUsd
from generate_image.provider.models import is_dall_e, refusal
from generate_image.record import Record, Status
from generate_image.shard import Phase, Shard, shard_key

FEWEST_RETENTION_DAYS = 2
"""A record must live longer than a batch: without it, the key would buy again."""

Parse = Callable[[object], ImageRequest]


class Group(NamedTuple):
    """The pictures of one batch share these."""

    client_id: str
    credentials_id: str
    models: tuple[str, ...]


class Planning:
    """Plans shards. Every repetition returns the same shards."""

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
        news = [new_record(request, settings, holder=shard_id, lease_until=lease_until) for request in requests]
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
