"""One request: credentials → lease → purchase → S3 → link. The story, from top to bottom."""

from contextlib import closing
from io import BytesIO
from typing import IO, Any, NamedTuple
from uuid import uuid4

from generate_image.answer import answer
from generate_image.aws.links import Links
from generate_image.aws.pictures import PictureStore
from generate_image.aws.secrets import CredentialsStore
from generate_image.budget import Budget
from generate_image.credentials import Credentials
from generate_image.deadline import Deadline
from generate_image.errors import (
    ConfigurationError,
    DownloadError,
    GenerateImageError,
    OutcomeUnknownError,
    ProviderResponseError,
    StorageError,
)
from generate_image.event import ImageRequest
from generate_image.lease import Leases, new_record
from generate_image.log import Log
from generate_image.money import MicroUsd
from generate_image.picture import HEAD_BYTES, StoredPicture, object_key, picture_type
from generate_image.provenance import content_credentials
from generate_image.provider.download import Downloader
from generate_image.provider.images_api import ImagesApi, Purchase
from generate_image.record import Record, Status
from generate_image.settings import Settings

STORING_SECONDS = 20.0
"""The part of an invocation's time that is reserved for storing a bought picture and saving its record."""


class Generation(NamedTuple):
    """Serves requests: reads the credentials, acquires the lease, buys, stores and links."""

    settings: Settings
    deadline: Deadline
    credentials: CredentialsStore
    leases: Leases
    budget: Budget
    images: ImagesApi
    downloader: Downloader
    pictures: PictureStore
    links: Links
    log: Log

    def generate(self, request: ImageRequest) -> dict[str, Any]:
        """Return the module's answer. A picture is bought only if the record shows none.

        Raises GenerateImageError. After every error, the same request can be retried and is bought at most once.
        """
        new = new_record(request, self.settings, holder=str(uuid4()), lease_until=self.deadline.at)
        self.log.bind(client_id=request.client_id, image_id=new.image_id)
        credentials = self.credentials.read(request.client_id, request.credentials_id)
        self.links.prepare()
        limit = self.budget.limit_for(credentials)
        record, buyer = self._acquire(new, limit)
        is_replay = record.status is not Status.STARTED
        if record.status is not Status.STORED:
            if record.status is Status.STARTED:
                record = self._buy_and_store(record, request, credentials, limit)
            else:
                record = self._download_and_store(record, credentials)
            if limit:
                self.budget.settle(record, buyer)
        stored = record.require_stored()
        if is_replay:
            self.log.picture_replayed(record.require_bought(), stored.key)
        link = self.links.link(stored.key, stored.stored_at)
        return answer(record, link, self.settings.image_bucket, request.passed_through, replayed=is_replay)

    def _acquire(self, new: Record, limit: MicroUsd) -> tuple[Record, str]:
        """Acquire the lease. Under a limit, reserve the price bound first; a replay needs neither.

        Returns the record and the holder of its reservation.
        """
        if not limit:
            return self.leases.acquire(new), new.holder
        current = self.leases.current(new)
        if current is not None:
            return current if current.status is Status.STORED else self.leases.take_over(current, new), current.holder
        self.budget.reserve(new, limit)
        try:
            record = self.leases.acquire(new)
        except GenerateImageError:
            self.budget.free(new)  # this invocation buys nothing, even if the lease is its own after a lost response
            raise
        if record.status is not Status.STARTED:
            self.budget.free(new)
        return record, new.holder

    def _buy_and_store(
        self, record: Record, request: ImageRequest, credentials: Credentials, limit: MicroUsd
    ) -> Record:
        try:
            purchase = self._buy(request)
        except GenerateImageError as error:
            # The ledger comes first: once the record is released, another invocation may use the reservation.
            if limit and error.nothing_billed:
                self.budget.free(record)
            elif limit:
                self.budget.settle_in_full(record)
            if error.nothing_billed and not error.is_final:
                self.leases.release(record)
            else:
                self.leases.fail(error, replacing=record)
            raise
        self.log.picture_bought(purchase.picture, purchase.seconds)
        bought = record._replace(status=Status.GENERATED, bought=purchase.picture)
        if purchase.content is not None:
            return self._store(bought, BytesIO(purchase.content), replacing=record)
        return self._download_and_store(self.leases.save(bought, replacing=record), credentials)

    def _buy(self, request: ImageRequest) -> Purchase:
        def buy(credentials: Credentials) -> Purchase:
            return self.images.buy(request.prompt, credentials, request.options)

        try:
            return self.credentials.call(request.client_id, request.credentials_id, buy)
        except GenerateImageError:
            raise
        except Exception as error:  # noqa: BLE001  # a defect of ours leaves the outcome unknown too
            self.log.unexpected_exception(error)
            raise OutcomeUnknownError(
                f"The purchase failed with an unexpected {type(error).__name__}: the picture may be billed. Only a new "
                "idempotency key buys another."
            ) from None

    def _download_and_store(self, record: Record, credentials: Credentials) -> Record:
        """Store the picture of a ``generated`` record, whose lease is ours."""
        source_url = record.require_bought().source_url or ""
        try:
            content = self.downloader.fetch(source_url, credentials.base_url or self.settings.openai_base_url)
        except DownloadError:
            self.leases.end(record)
            raise
        except ProviderResponseError as error:
            self.leases.fail(error, replacing=record)
            raise
        with closing(content):
            return self._store(record, content, replacing=record)

    def _store(self, record: Record, content: IO[bytes], *, replacing: Record) -> Record:
        """Store the picture, then save the record as ``stored``. replacing: the version that S3 holds now."""
        kind = picture_type(content.read(HEAD_BYTES))
        bought = record.require_bought()
        if kind is None:
            error = ProviderResponseError(
                "The provider's response is not a PNG, JPEG or WebP picture. It may be billed.",
                provider_request_id=bought.openai_request_id,
            )
            self.leases.fail(error, replacing=replacing)
            raise error
        key = object_key(record.client_id, record.image_id, kind.extension)
        stored = StoredPicture(key, kind.content_type, int(self.deadline.clock()), content_credentials(content, kind))
        try:
            self.pictures.put(stored, bought, record.request_hash, content)
        except (StorageError, ConfigurationError):
            self.leases.end(replacing)
            raise
        self.log.picture_stored(stored, bought.model)
        return self.leases.save(record._replace(status=Status.STORED, stored=stored), replacing=replacing)
