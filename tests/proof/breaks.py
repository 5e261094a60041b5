"""Each rule of the protocol, broken on purpose."""

from collections.abc import Mapping
from functools import partial
from typing import IO, NamedTuple

from generate_image.aws.call import S3, call
from generate_image.aws.documents import DocumentStore
from generate_image.aws.ledger import Ledger, LedgerStore, Reservation
from generate_image.aws.pictures import FoundPicture, PictureStore
from generate_image.aws.records import RecordStore
from generate_image.batch.check import Check
from generate_image.batch.submission import Submission
from generate_image.budget import Budget
from generate_image.credentials import Credentials
from generate_image.errors import GenerateImageError, OutcomeUnknownError, ProviderUnavailableError
from generate_image.functions import batch_shards
from generate_image.functions.generate_image import Parts
from generate_image.lease import Leases
from generate_image.money import MicroUsd
from generate_image.options import NO_OPTIONS, Options
from generate_image.picture import BoughtPicture, StoredPicture
from generate_image.provider.batch_response import Batch
from generate_image.provider.images_api import ImagesApi, Purchase
from generate_image.record import Record, Status
from generate_image.shard import Phase, Shard


class LeaseAfterPurchase(Leases):
    """Reads the record, buys, and acquires the lease when the picture is bought."""

    def acquire(self, new: Record) -> Record:
        if self._records.read(new.client_id, new.image_id) is None:
            return new
        return super().acquire(new)

    def save(self, record: Record, *, replacing: Record) -> Record:
        if not replacing.etag:
            replacing = self._records.write(replacing)
        return super().save(record, replacing=replacing)


class RetryWithoutResponse(ImagesApi):
    """Sends the request again when no response arrived."""

    def buy(self, prompt: str, credentials: Credentials, options: Options = NO_OPTIONS) -> Purchase:
        try:
            return super().buy(prompt, credentials, options)
        except OutcomeUnknownError:
            return super().buy(prompt, credentials, options)


class UnknownAsUnbilled(ImagesApi):
    """Reports a lost response as a request that was not sent."""

    def buy(self, prompt: str, credentials: Credentials, options: Options = NO_OPTIONS) -> Purchase:
        try:
            return super().buy(prompt, credentials, options)
        except OutcomeUnknownError as error:
            raise ProviderUnavailableError("No response arrived.") from error


class ReleaseUnknown(Leases):
    """Releases the key after an unknown outcome."""

    def fail(self, error: GenerateImageError, *, replacing: Record) -> None:
        if isinstance(error, OutcomeUnknownError):
            self.release(replacing)
        else:
            super().fail(error, replacing=replacing)


class BuyAfterExpiry(Leases):
    """Buys when another invocation's lease has expired."""

    def _stored_or_free(self, record: Record | None, request_hash: str) -> Record | None:
        try:
            return super()._stored_or_free(record, request_hash)
        except OutcomeUnknownError:
            return None


class FindNothing(PictureStore):
    """Loses a picture whose record was not saved."""

    def find(self, client_id: str, image_id: str, request_hash: str) -> FoundPicture | None:  # noqa: ARG002  # signature
        return None


class Overwrite(DocumentStore):
    """Writes documents without a condition."""

    def _put(self, key: str, content: bytes, replacing: str) -> str:  # noqa: ARG002  # signature
        put = partial(self._client.put_object, Bucket=self._bucket, Key=key, Body=content)
        return call(S3, "S3 did not store it", put)["ETag"]


class OverwriteRecords(Overwrite, RecordStore):
    """Overwrites any record."""


class OverwriteLedgers(Overwrite, LedgerStore):
    """Overwrites any ledger."""


class KeepNoUrl(Leases):
    """Saves no record between the purchase and the download."""

    def save(self, record: Record, *, replacing: Record) -> Record:
        if record.status is Status.GENERATED:
            return record._replace(etag=replacing.etag)
        return super().save(record, replacing=replacing)


class NeverExpire(Leases):
    """Reports an expired lease and saves nothing."""

    def fail(self, error: GenerateImageError, *, replacing: Record) -> None:
        if replacing.lease_until > self._deadline.clock():
            super().fail(error, replacing=replacing)


class CatchDeath(PictureStore):
    """Goes on after an exception that ends the function."""

    def put(self, stored: StoredPicture, bought: BoughtPicture, request_hash: str, content: IO[bytes]) -> None:
        try:
            super().put(stored, bought, request_hash, content)
        except BaseException:  # noqa: BLE001  # the fault
            return


class SettleBeforeStore(Budget):
    """Settles the expected cost when the purchase starts."""

    def reserve(self, new: Record, limit: MicroUsd) -> None:
        super().reserve(new, limit)
        self._close(new, MicroUsd(9 * 5 + 439 * 30), new.holder)


class FreeUnknown(Budget):
    """Frees the reservation of a picture that may be billed."""

    def settle_in_full(self, record: Record) -> None:
        self.free(record)


class ReserveForTheInvocation(Budget):
    """Reserves once for each invocation and not once for each picture."""

    def reserve(self, new: Record, limit: MicroUsd) -> None:
        super().reserve(new._replace(image_id=new.holder), limit)


class ReserveNothing(Budget):
    """Checks the limit and sets nothing aside."""

    def reserve(self, new: Record, limit: MicroUsd) -> None:
        super().reserve(new, limit)
        self.free(new)


class ShareReservations(Budget):
    """Replaces the reservation of another caller, which may still buy."""

    def _with_reservation(self, ledger: Ledger, new: Record, reservation: Reservation, limit: MicroUsd) -> Ledger:
        others = {name: found for name, found in ledger.open.items() if name != new.image_id}
        return super()._with_reservation(ledger._replace(open=others), new, reservation, limit)


class SubmitAgain(Check):
    """Submits again without a search for the batch whose response was lost."""

    def _find(self, shard: Shard) -> Shard:
        return self._tools.save(shard, phase=Phase.SUBMIT)

    def _batches(self, shard: Shard) -> list[Batch]:  # noqa: ARG002  # signature
        return []


class LookOnce(Check):
    """Submits again after one search."""

    def _find(self, shard: Shard) -> Shard:
        found = self._batches(shard)
        return self._keep_one(shard, found) if found else self._tools.save(shard, phase=Phase.SUBMIT)

    def _keep_one(self, shard: Shard, batches: list[Batch]) -> Shard:
        return self._tools.save(shard, phase=Phase.SUBMITTED, batch_id=batches[-1].id)


class SubmitBeforeSaving(Submission):
    """Saves the submission after the request, so a death in between is not noticed."""

    def _submit(self, shard: Shard) -> Shard:
        return self._tools.save(shard, phase=Phase.SUBMITTED, batch_id=self._create(shard).id)


class Break(NamedTuple):
    """A broken rule and a promise that it breaks. environ: the function's settings."""

    parts: Parts
    violation: str
    by_url: bool = False
    environ: Mapping[str, str] = {}


BUDGET = {"MONTHLY_BUDGET_USD": "1", "MAX_PICTURE_USD": "0.04"}
BREAKS = {
    "lease after purchase": Break(Parts(leases=LeaseAfterPurchase), "billed 2 times"),
    "retry without a response": Break(Parts(images=RetryWithoutResponse), "billed 2 times"),
    "unknown as unbilled": Break(Parts(images=UnknownAsUnbilled), "billed 2 times"),
    "release unknown": Break(Parts(leases=ReleaseUnknown), "billed 2 times"),
    "buy after expiry": Break(Parts(leases=BuyAfterExpiry), "billed 2 times"),
    "write without a condition": Break(Parts(records=OverwriteRecords), "billed"),
    "find nothing": Break(Parts(pictures=FindNothing), "was in S3, and was not found"),
    "keep no URL": Break(Parts(leases=KeepNoUrl), "was known, and was lost", by_url=True),
    "never expire": Break(Parts(leases=NeverExpire), "the record is left ['started']"),
    "catch death": Break(Parts(pictures=CatchDeath), "went on after its death"),
    "settle before store": Break(Parts(budget=SettleBeforeStore), "and not in full", environ=BUDGET),
    "free unknown": Break(Parts(budget=FreeUnknown), "is counted", environ=BUDGET),
    "reserve twice for a picture": Break(Parts(budget=ReserveForTheInvocation), "is counted", environ=BUDGET),
    "reserve nothing": Break(Parts(budget=ReserveNothing), "is counted", environ=BUDGET),
}
"""Those that a schedule of faults detects."""
INTERLEAVING_BREAKS = {
    "share reservations": Parts(budget=ShareReservations),
    "write without a condition": Parts(ledgers=OverwriteLedgers),
}
"""Those that interleaved calls detect."""
SHARD_BREAKS = [
    batch_shards.Parts(check=SubmitAgain),
    batch_shards.Parts(check=LookOnce),
    batch_shards.Parts(submission=SubmitBeforeSaving),
]
"""Those that a schedule of faults of a shard detects."""
