"""One request: credentials → record → buy → store → link. The story, from top to bottom."""

from contextlib import closing
from dataclasses import dataclass, replace
from io import BytesIO
from typing import IO, Any
from uuid import uuid4

from generate_image.answer import answer
from generate_image.claims import Claims
from generate_image.credentials import Credentials, CredentialsStore
from generate_image.deadline import Deadline
from generate_image.download import Downloader
from generate_image.errors import (
    ConfigurationError,
    DownloadError,
    GenerateImageError,
    OutcomeUnknownError,
    ProviderAuthError,
    ProviderResponseError,
    StorageError,
)
from generate_image.identity import image_id, request_hash
from generate_image.links import Links
from generate_image.openai_images import ImagesApi, Purchase
from generate_image.picture_details import details_of, to_metadata
from generate_image.pictures import HEAD_BYTES, picture_type
from generate_image.records import Record, Status
from generate_image.request import ImageRequest
from generate_image.settings import Settings
from generate_image.storage import PictureStore, StoredPicture, object_key
from generate_image.telemetry import Telemetry

STORING_SECONDS = 20.0
"""What is kept of an invocation's time to store a picture that was bought and to write its record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """What a request is served with."""

    settings: Settings
    credentials: CredentialsStore
    claims: Claims
    images: ImagesApi
    downloader: Downloader
    pictures: PictureStore
    links: Links
    telemetry: Telemetry
    storing_seconds: float = STORING_SECONDS

    def generate(self, request: ImageRequest, deadline: Deadline) -> dict[str, Any]:
        """Return the module's answer to a request, buying a picture only where its record shows none.

        Raises a GenerateImageError; whichever it is, the same request may be made again without buying twice.
        """
        claim = self._claim_of(request, deadline)
        self.telemetry.identify(client_id=request.client_id, image_id=claim.image_id)
        credentials = self.credentials.read(request.client_id, request.credentials_id, deadline)
        self.links.prepare(deadline)
        record = self.claims.take(claim, deadline)
        replayed = record.status is not Status.STARTED
        if record.status is Status.STARTED:
            record = self._buy_and_store(record, request, credentials, deadline)
        elif record.status is Status.GENERATED:
            record = self._download_and_store(record, credentials, deadline)
        if replayed:
            self.telemetry.replayed(record.picture)
        link = self.links.link(record.picture["key"], record.picture["stored_at"])
        return answer(record, link, self.settings.image_bucket, request.passed_through, replayed=replayed)

    def _claim_of(self, request: ImageRequest, deadline: Deadline) -> Record:
        """Return the record that claims a request for this call."""
        return Record(
            status=Status.STARTED,
            client_id=request.client_id,
            image_id=image_id(request, self.settings),
            request_hash=request_hash(request, self.settings),
            claimant=str(uuid4()),
            until=round(deadline.at, 3),
            asked={"prompt": request.prompt, **request.passed_through},
        )

    def _buy_and_store(
        self, record: Record, request: ImageRequest, credentials: Credentials, deadline: Deadline
    ) -> Record:
        try:
            purchase = self._buy(request, credentials, deadline)
        except GenerateImageError as error:
            if error.releases:
                self.claims.release(record, deadline)
            else:
                self.claims.fail(error, record, deadline)
            raise
        details = details_of(purchase)
        self.telemetry.bought(purchase, details.get("cost_usd"))
        bought = replace(record, status=Status.GENERATED, picture=details)
        if purchase.content is not None:
            return self._store(bought, BytesIO(purchase.content), record, deadline)
        return self._download_and_store(self.claims.settle(bought, record, deadline), credentials, deadline)

    def _buy(self, request: ImageRequest, credentials: Credentials, deadline: Deadline) -> Purchase:
        buying = deadline.less(self.storing_seconds)
        try:
            try:
                return self.images.buy(request.prompt, credentials, buying)
            except ProviderAuthError:
                # The key may have been rotated since it was read.
                fresh = self.credentials.read(request.client_id, request.credentials_id, deadline, fresh=True)
                if fresh == credentials:
                    raise
                return self.images.buy(request.prompt, fresh, buying)
        except GenerateImageError:
            raise
        except Exception as error:  # noqa: BLE001  # a fault of ours leaves the outcome as unknown as any other
            self.telemetry.unforeseen(error)
            raise OutcomeUnknownError(
                f"The function failed while it was buying ({type(error).__name__}): the picture may have been billed. "
                "Only a new idempotency key buys another."
            ) from None

    def _download_and_store(self, record: Record, credentials: Credentials, deadline: Deadline) -> Record:
        provider_url = credentials.base_url or self.settings.openai_base_url
        try:
            content = self.downloader.fetch(
                record.picture["source_url"], provider_url, deadline.less(self.storing_seconds)
            )
        except DownloadError:
            self.claims.give_up_hold(record, deadline)
            raise
        except ProviderResponseError as error:
            self.claims.fail(error, record, deadline)
            raise
        with closing(content):
            return self._store(record, content, record, deadline)

    def _store(self, record: Record, content: IO[bytes], over: Record, deadline: Deadline) -> Record:
        """Store a picture and finish its record, which lies in S3 as ``over``."""
        kind = picture_type(content.read(HEAD_BYTES))
        if kind is None:
            error = ProviderResponseError(
                "The provider answered with something that is no picture (PNG, JPEG or WebP). It may have been billed.",
                provider_request_id=record.picture.get("openai_request_id"),
            )
            self.claims.fail(error, over, deadline)
            raise error
        key = object_key(record.client_id, record.image_id, kind.extension)
        metadata = to_metadata(record.request_hash, record.picture)
        stored_at = int(deadline.clock())
        try:
            self.pictures.put(StoredPicture(key, kind.content_type, stored_at, metadata), content, deadline)
        except (StorageError, ConfigurationError):
            self.claims.give_up_hold(over, deadline)
            raise
        self.telemetry.stored(key)
        picture = {**record.picture, "key": key, "content_type": kind.content_type, "stored_at": stored_at}
        return self.claims.settle(replace(record, status=Status.STORED, picture=picture), over, deadline)
