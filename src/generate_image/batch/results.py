"""The last step of a shard: the result of every item, in the form in which Step Functions writes results."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from generate_image.answer import answer
from generate_image.batch.tools import Tools
from generate_image.errors import GenerateImageError, InvalidRequestError, OutcomeUnknownError
from generate_image.event import ImageRequest, image_id
from generate_image.money import NOTHING, MicroUsd
from generate_image.provider.models import cost_of
from generate_image.record import Record, Status
from generate_image.shard import Shard
from generate_image.state import Failed, Stored, Unknown, find_stored_with, state_of


class Results:
    """Settles the budget and writes the results. The records are the truth, so a repetition writes the same."""

    def __init__(self, tools: Tools, parse: Callable[[object], ImageRequest]) -> None:
        self._tools = tools
        self._parse = parse

    def write(self, shards: Sequence[Shard], items: Sequence[object], prefix: str) -> dict[str, list[dict[str, Any]]]:
        """Write one file for each status under a prefix. Return their keys by status, as a manifest has them."""
        self._tools.links.prepare()
        for shard in shards:
            self._settle(shard)
        errors = {name: error for shard in shards for name, error in shard.errors.items()}
        holders = {shard.id for shard in shards}
        lines: dict[str, list[bytes]] = {"FAILED": [], "SUCCEEDED": []}
        for place, item in enumerate(items):
            result = {"Name": f"{prefix}/{place}", "Input": json.dumps(item, ensure_ascii=False)}
            outcome = self._outcome(item, errors, holders)
            if isinstance(outcome, GenerateImageError):
                self._tools.log.request_failed(outcome)
                cause = {"errorMessage": str(outcome), "errorType": outcome.code}
                result |= {"Status": "FAILED", "Error": outcome.code, "Cause": json.dumps(cause, ensure_ascii=False)}
            else:
                result |= {"Status": "SUCCEEDED", "Output": json.dumps(outcome, ensure_ascii=False)}
            lines[result["Status"]].append(json.dumps(result, ensure_ascii=False).encode() + b"\n")
        return {status: list(self._files(status, content, prefix)) for status, content in lines.items()}

    def _files(self, status: str, lines: Sequence[bytes], prefix: str) -> Iterator[dict[str, Any]]:
        if lines:
            key = f"{prefix}/{status}_0.jsonl"
            self._tools.files.write(key, lines)
            yield {"Key": key, "Size": sum(map(len, lines))}

    def _outcome(
        self, item: object, errors: Mapping[str, Mapping[str, Any]], holders: set[str]
    ) -> dict[str, Any] | GenerateImageError:
        """Return the module's answer for an item, or its error. Raises StorageError if a record cannot be read."""
        try:
            request = self._parse(item)
        except InvalidRequestError as error:
            return error
        name = image_id(request, self._tools.settings)
        if name in errors:
            return GenerateImageError.from_dict(errors[name])
        record = self._tools.records.read(request.client_id, name)
        match state_of(record, self._tools.deadline.clock(), find_stored_with(self._tools.pictures)):
            case Stored(found):
                stored = found.require_stored()
                link = self._tools.links.link(stored.key, stored.stored_at)
                bucket, is_replayed = self._tools.settings.image_bucket, found.holder not in holders
                return answer(found, link, bucket, request.passed_through, replayed=is_replayed)
            case Failed(_, failure) | Unknown(_, failure):
                return failure
        return OutcomeUnknownError("The record of this picture has changed since its batch. Request it again.")

    def _settle(self, shard: Shard) -> None:
        if not shard.has_budget:
            return
        records = {name: self._tools.records.read(shard.client_id, name) for name in shard.image_ids}
        costs = {name: cost_of_record(record, shard, name) for name, record in records.items()}
        self._tools.budget.settle_all(shard.client_id, shard.id, costs)


def cost_of_record(record: Record | None, shard: Shard, image_id: str) -> MicroUsd | None:
    """Return the cost that a record shows; None: the whole reservation."""
    if record is None or record.holder != shard.id:
        # Another invocation has bought since, after a release or after an unknown outcome of this batch.
        error = shard.errors.get(image_id)
        return NOTHING if error and GenerateImageError.from_dict(error).nothing_billed else None
    if record.status is Status.RELEASED:
        return NOTHING
    if record.error is not None:
        return NOTHING if record.error.nothing_billed else None
    return cost_of(record.bought.model, record.bought.usage, record.bought.pricing) if record.bought else None
