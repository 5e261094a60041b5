"""Whose turn it is: one call holds the record and buys, the others are told what came of it."""

from collections.abc import Callable
from dataclasses import replace

from generate_image.deadline import Deadline
from generate_image.errors import (
    GenerateImageError,
    IdempotencyKeyReusedError,
    OutcomeUnknownError,
    RequestInProgressError,
)
from generate_image.picture_details import details_found
from generate_image.records import CLOCK_SKEW_SECONDS, OvertakenError, Record, Records, Status
from generate_image.settings import WhenOutcomeUnknown
from generate_image.storage import PictureStore
from generate_image.telemetry import Telemetry

LONGEST_RETRY_AFTER_SECONDS = 10.0


class Claims:
    """Takes, settles and gives up records."""

    def __init__(
        self,
        records: Records,
        pictures: PictureStore,
        telemetry: Telemetry,
        when_outcome_unknown: WhenOutcomeUnknown,
        *,
        clock: Callable[[], float],
    ) -> None:
        """clock: seconds since the epoch."""
        self._records = records
        self._pictures = pictures
        self._telemetry = telemetry
        self._when_outcome_unknown = when_outcome_unknown
        self._clock = clock

    def take(self, claim: Record, deadline: Deadline) -> Record:
        """Return the record to go on from.

        ``started``: the claim, which is ours; the picture is to be bought. ``generated``: it was bought, and is to be
        fetched by us. ``stored``: it is there. Raises the recorded error of a failed request, RequestInProgressError,
        IdempotencyKeyReusedError, OutcomeUnknownError and StorageError.
        """
        over: Record | None = None
        while True:
            wanted = claim
            if over is not None and over.status is Status.GENERATED:
                wanted = replace(over, claimant=claim.claimant, until=claim.until)
            try:
                return self._records.write(wanted, deadline, over=over)
            except OvertakenError as overtaken:
                over = overtaken.record
            if over is not None:
                stored = self._stored(over, claim, deadline)
                if stored is not None:
                    return stored

    def settle(self, record: Record, over: Record, deadline: Deadline) -> Record:
        """Write what is known now. Where it can't be written, go on: whoever asks again comes to the same end."""
        try:
            return self._records.write(record, deadline, over=over)
        except GenerateImageError as error:
            self._telemetry.not_recorded(record.status, error)
        except OvertakenError:
            pass  # another call has settled it
        return record

    def fail(self, error: GenerateImageError, over: Record, deadline: Deadline) -> None:
        """Record an error as final, to be told again on every replay."""
        self.settle(replace(over, status=Status.FAILED, error=error.to_dict()), over, deadline)

    def release(self, over: Record, deadline: Deadline) -> None:
        """Record that nothing was bought: the next call with the key may buy."""
        self.settle(replace(over, status=Status.RELEASED), over, deadline)

    def give_up_hold(self, over: Record, deadline: Deadline) -> None:
        """Let the next call go on from here at once, rather than when this one's time is over."""
        self.settle(replace(over, until=round(self._clock() - CLOCK_SKEW_SECONDS, 3)), over, deadline)

    def _stored(self, record: Record, claim: Record, deadline: Deadline) -> Record | None:
        """Return the stored record that answers a claim; None where the claim may be written over the record."""
        if record.status is Status.STORED and not self._pictures.exists(record.picture["key"], deadline):
            return None  # its lifetime is over, and the key is new again
        if record.status is Status.RELEASED:
            return None  # nothing was bought; and what mends the cause, such as another model, may change the request
        if record.request_hash != claim.request_hash:
            raise IdempotencyKeyReusedError(
                "This idempotency key names another request: its prompt, credential, models or quality differ. Use a "
                "new key for a new picture."
            )
        if record.status is Status.STORED:
            return record
        if record.status is Status.FAILED:
            error = GenerateImageError.from_dict(record.error)
            if not isinstance(error, OutcomeUnknownError):
                raise error
            return self._after_unknown(record, error, deadline)
        if self._records.is_held(record):
            raise RequestInProgressError(
                "Another call is buying this picture now. Ask again with the same idempotency key.",
                retry_after=max(1.0, min(record.until - self._clock(), LONGEST_RETRY_AFTER_SECONDS)),
            )
        if record.status is Status.GENERATED:
            return self._found(record, deadline)  # it may be in S3 and its URL dead, which only a download would show
        unknown = OutcomeUnknownError(
            "The call that was buying this picture ended without telling what came of it: it may have been billed. "
            "Only a new idempotency key buys another."
        )
        return self._after_unknown(record, unknown, deadline)

    def _after_unknown(self, record: Record, error: OutcomeUnknownError, deadline: Deadline) -> Record | None:
        """Look whether the picture reached S3 after all, and settle the record by that."""
        stored = self._found(record, deadline)
        if stored is not None:
            return stored
        if self._when_outcome_unknown == "buy-again":
            return None
        if record.status is not Status.FAILED:
            self.fail(error, record, deadline)
        raise error

    def _found(self, record: Record, deadline: Deadline) -> Record | None:
        """Return the record, settled as stored, where its picture is in S3; else None."""
        found = self._pictures.find(record.client_id, record.image_id, deadline)
        if found is None or found.metadata.get("request-hash") != record.request_hash:
            return None
        picture = {**details_found(found), **record.picture}
        return self.settle(replace(record, status=Status.STORED, error={}, picture=picture), record, deadline)
