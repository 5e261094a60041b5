"""The third step of a shard: the files of an ended batch become pictures and records. Every repetition is safe.

A picture belongs to the record that the shard still holds, so the first line of an id counts.
"""

from collections.abc import Mapping
from io import BytesIO
from typing import Any

from generate_image.batch.submission import no_model
from generate_image.batch.tools import Tools
from generate_image.errors import (
    GenerateImageError,
    ModelUnavailableError,
    OutcomeUnknownError,
    ProviderResponseError,
    ProviderUnavailableError,
)
from generate_image.picture import HEAD_BYTES, StoredPicture, object_key, picture_type
from generate_image.provenance import content_credentials
from generate_image.provider.batch_file import Line
from generate_image.provider.batch_lines import BatchedPicture, LineResult, read_line
from generate_image.provider.errors import NoSuchModelError
from generate_image.record import Record, Status
from generate_image.shard import Phase, Shard
from generate_image.state import is_open

RESERVE_SECONDS = 60.0
"""The part of the invocation's time in which no further line is read."""
MOST_FETCHES = 3
"""A file that ends early so often, at the same place, has no more lines."""
Errors = dict[str, Mapping[str, Any]]
"""Of pictures whose record keeps none, by image id."""


class Import:
    """Imports the files of a batch."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def advance(self, shard: Shard) -> Shard:
        """Import as much as fits into the invocation. Raises ProviderUnavailableError if a file ended early."""
        if shard.phase is Phase.REFUSED:
            return self._release_all(shard)
        if shard.phase is not Phase.ENDED:
            return shard
        errors = dict(shard.errors)
        if shard.output_file_id is not None:
            shard, is_whole = self._import_output(shard, shard.output_file_id, errors)
            if not is_whole:
                return shard
        if shard.error_file_id is not None:
            for line in self._tools.with_credentials(
                shard, lambda credentials: list(self._tools.api.lines(shard.error_file_id or "", credentials))
            ):
                self._import_line(shard, line, errors)
        return self._conclude(shard, errors)

    def _release_all(self, shard: Shard) -> Shard:
        errors = dict(shard.errors)
        for record in self._tools.own(shard, shard.requested):
            if is_open(record) or record.status is Status.RELEASED:
                self._release(record)
                errors[record.image_id] = shard.refusal or {}
        return self._tools.save(shard, phase=Phase.IMPORTED, errors=errors)

    def _import_output(self, shard: Shard, file_id: str, errors: Errors) -> tuple[Shard, bool]:
        """Import the output file from the shard's offset on. Return whether it is imported whole."""
        # The small request shows that the key is valid, or reads it again, before the large one.
        credentials = self._tools.with_credentials(
            shard, lambda credentials: (self._tools.api.retrieve(shard.batch_id, credentials), credentials)[1]
        )
        offset, lines, is_cut = shard.offset, shard.lines, False
        try:
            for line in self._tools.api.lines(file_id, credentials, offset=offset):
                is_cut = not line.is_whole and read_line(line.content, shard.model) is None
                if is_cut:
                    break
                self._import_line(shard, line, errors)
                offset, lines = line.end, lines + bool(line.content.strip())
                if self._tools.deadline.remaining(RESERVE_SECONDS) <= 0:
                    return self._tools.save(shard, offset=offset, lines=lines, errors=errors), False
        except ProviderUnavailableError:
            if offset > shard.offset:
                self._tools.save(shard, offset=offset, lines=lines, errors=errors)
            raise
        if (is_cut or lines < shard.completed) and shard.fetches < MOST_FETCHES:
            self._tools.save(shard, offset=offset, lines=lines, errors=errors, fetches=shard.fetches + 1)
            raise ProviderUnavailableError("The provider's file of pictures ended early. A retry reads the rest.")
        if is_cut:
            self._tools.log.line_not_read(shard.id)
        return shard, True

    def _import_line(self, shard: Shard, line: Line, errors: Errors) -> None:
        if not line.content.strip():
            return
        result = read_line(line.content, shard.model)
        if result is None or result.custom_id not in shard.requested:
            self._tools.log.line_not_read(shard.id)
            return
        for record in self._tools.own(shard, [result.custom_id]):
            self._import_result(shard, record, result, errors)

    def _import_result(self, shard: Shard, record: Record, result: LineResult, errors: Errors) -> None:
        outcome = result.outcome
        if isinstance(outcome, BatchedPicture):
            if is_open(record):
                self._store(record, outcome)
            return
        if not is_open(record) and record.status is not Status.RELEASED:
            return
        error = no_model(shard) if isinstance(outcome, NoSuchModelError) else outcome
        if error.is_final or not error.nothing_billed:
            self._fail(record, error)
            return
        errors[record.image_id] = error.to_dict()
        if not isinstance(error, ModelUnavailableError):
            self._release(record)

    def _store(self, record: Record, picture: BatchedPicture) -> None:
        self._tools.log.bind(client_id=record.client_id, image_id=record.image_id)
        kind = picture_type(picture.content[:HEAD_BYTES])
        if kind is None:
            self._fail(
                record,
                ProviderResponseError(
                    "The batch's line is not a PNG, JPEG or WebP picture. It may be billed.",
                    provider_request_id=picture.bought.openai_request_id,
                ),
            )
            return
        key, content = object_key(record.client_id, record.image_id, kind.extension), BytesIO(picture.content)
        stored_at = int(self._tools.deadline.clock())
        stored = StoredPicture(key, kind.content_type, stored_at, content_credentials(content, kind))
        self._tools.pictures.put(stored, picture.bought, record.request_hash, content)
        changed = record._replace(status=Status.STORED, bought=picture.bought, stored=stored, error=None)
        if self._tools.write(changed, replacing=record):
            self._tools.log.picture_bought(picture.bought, None)
            self._tools.log.picture_stored(stored, picture.bought.model)

    def _fail(self, record: Record, error: GenerateImageError) -> None:
        if record.status is not Status.FAILED:
            self._tools.write(record._replace(status=Status.FAILED, error=error), replacing=record)

    def _release(self, record: Record) -> None:
        """Save that nothing was billed, unless an earlier attempt of this import has saved it."""
        if record.status is Status.FAILED:  # a lease that expired meanwhile; its outcome is known only now
            record = self._tools.records.write(record._replace(status=Status.STARTED, error=None), replacing=record)
        if record.status is not Status.RELEASED:
            self._tools.write(record._replace(status=Status.RELEASED), replacing=record)

    def _conclude(self, shard: Shard, errors: Errors) -> Shard:
        """Save the outcome of the pictures that are in neither file; continue with the next model if one is missing."""
        no_such = {name for name, error in errors.items() if error["code"] == ModelUnavailableError.__name__}
        held = list(self._tools.held(shard))
        for record in (record for record in held if record.image_id not in no_such):
            self._fail(
                record,
                OutcomeUnknownError(
                    "The batch ended without a result for this picture: it may be billed. Only a new idempotency key "
                    "buys another."
                ),
            )
        left = [record for record in held if record.image_id in no_such]
        if left and len(shard.models) > 1:
            names = tuple(record.image_id for record in left)
            others = {name: error for name, error in errors.items() if name not in no_such}
            return self._tools.next_model(shard, no_model(shard), errors=others, requested=names)
        for record in left:
            self._release(record)
        return self._tools.save(shard, phase=Phase.IMPORTED, errors=errors)
