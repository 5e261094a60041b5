"""The ends of a request: its record, its reservation, and the limit of its client."""

from collections.abc import Sequence
from io import BytesIO
from types import SimpleNamespace
from typing import IO, Any, cast
from uuid import uuid4

import pytest

from generate_image.aws.ledger import Ledger, Reservation
from generate_image.errors import (
    BudgetExceededError,
    ConfigurationError,
    ContentRejectedError,
    DownloadError,
    GenerateImageError,
    OutcomeUnknownError,
    ProviderResponseError,
    RateLimitedError,
    StorageError,
)
from generate_image.event import image_id, parse_event, request_hash
from generate_image.functions import generate_image
from generate_image.functions._runtime import AwsClients, Environment, with_boundary
from generate_image.functions.generate_image import Parts
from generate_image.generation import STORING_SECONDS
from generate_image.money import MicroUsd
from generate_image.picture import BoughtPicture, StoredPicture
from generate_image.provider.download import Downloader
from generate_image.provider.images_api import ImagesApi, Purchase
from generate_image.record import Record, Status
from generate_image.settings import Settings
from local.lambda_context import LocalContext
from tests.events import event_for
from tests.proof.faults import Kind
from tests.secrets_manager import MemorySecretsManager
from tests.unit.stores import Stores

EVENT = event_for("a cat", idempotency_key="k")
PROVIDER = "http://127.0.0.1:9"
"""No server listens there."""
PNG = b"\x89PNG\r\n\x1a\n"
PICTURE = Purchase(BoughtPicture("dall-e-3"), 1.0, PNG)
BY_URL = Purchase(BoughtPicture("dall-e-3", source_url=f"{PROVIDER}/picture.png"), 1.0, None)
PRICE = MicroUsd(40_000)
SECRETS = {
    "generate-image/shared/credencial-openai": '{"apiKey": "sk-one"}',
    "generate-image/cli_acme/credencial-openai": '{"apiKey": "sk-two", "monthlyBudgetUsd": "0.04"}',
}


class Function(Stores):
    """The generate function. outcome: of every purchase. download: of every one; None: it is tried."""

    def __init__(
        self,
        outcome: Purchase | Exception = PICTURE,
        download: bytes | Exception | None = None,
        **settings: Any,  # noqa: ANN401  # fields of Settings
    ) -> None:
        super().__init__()
        self.purchases = 0
        self.settings = Settings(
            image_bucket="bucket",
            image_namespace=uuid4(),
            image_models=("dall-e-3",),
            openai_base_url=PROVIDER,
            **settings,
        )
        clients = SimpleNamespace(s3=self.s3, secrets_manager=MemorySecretsManager(SECRETS))
        environment = Environment(
            settings=self.settings,
            log=self.log,
            clients=cast("AwsClients", clients),
            clock=self.clock,
            sleep=self._sleep,
            margin=0,
        )

        class Images(ImagesApi):
            def buy(_, *__: object) -> Purchase:  # noqa: N805  # self is the function
                self.purchases += 1
                if isinstance(outcome, Exception):
                    raise outcome
                return outcome

        class Downloads(Downloader):
            def fetch(self, url: str, provider_url: str) -> IO[bytes]:
                if isinstance(download, Exception):
                    raise download
                return super().fetch(url, provider_url) if download is None else BytesIO(download)

        serve = generate_image.build(environment, parts=Parts(images=Images, downloader=Downloads))
        self._serve = with_boundary(serve, environment)

    def invoke(self, seconds: float = 60, **fields: object) -> Any:  # noqa: ANN401  # the answer
        return self._serve(EVENT | fields, LocalContext(seconds, str(uuid4())))

    def record(self, **fields: Any) -> Record:  # noqa: ANN401  # fields of Record
        """Return a record of the request, by another invocation."""
        request = parse_event(EVENT, default_key="", longest_prompt=100)
        own = {
            "image_id": image_id(request, self.settings),
            "request_hash": request_hash(request, self.settings),
        }
        return self.new(bought=BY_URL.picture, **own, **fields)

    def ledger(self) -> Ledger:
        return self.ledgers.read("1", "2027-01") or Ledger()


@pytest.mark.parametrize(
    ("outcome", "writes", "settled", "status"),
    [
        (PICTURE, [], PRICE, Status.STORED),
        (RateLimitedError("Too many."), [], 0, Status.RELEASED),
        (ContentRejectedError("Rejected."), [], 0, Status.FAILED),
        (OutcomeUnknownError("Unknown."), [], PRICE, Status.FAILED),
        (StorageError("No lease."), [None, *[Kind.CONFLICT] * 4], 0, None),
    ],
    ids=["stored", "released", "rejected", "unknown", "no lease"],
)
def test_end_of_a_request_closes_its_reservation(
    outcome: Purchase | GenerateImageError, writes: Sequence[Kind | None], settled: int, status: Status | None
) -> None:
    function = Function(outcome, monthly_budget_usd=PRICE)
    function.s3.writes = list(writes)
    if isinstance(outcome, GenerateImageError):
        with pytest.raises(type(outcome)):
            function.invoke()
    else:
        function.invoke()
    record = function.records.read("1", function.record().image_id)
    assert (record and record.status) == status
    assert function.ledger() == Ledger(PRICE, MicroUsd(settled), {})


def test_reservation_is_freed_before_the_key() -> None:
    """Another invocation may use the reservation of a released key."""
    function = Function(RateLimitedError("Too many."), monthly_budget_usd=PRICE)
    function.s3.writes = [None, None, Kind.DENIED]
    with pytest.raises(RateLimitedError):
        function.invoke()
    assert "ledger not written" in function.logged.getvalue()


def test_picture_that_is_stored_meanwhile_frees_the_reservation() -> None:
    function = Function(monthly_budget_usd=PRICE)
    place = StoredPicture("temporal/cli_1/other.png", "image/png", 1_800_000_000)

    def store() -> None:
        function.s3.put_object(Bucket="bucket", Key=place.key, Body=b"")
        function.existing(function.record(status=Status.STORED, stored=place))

    function.s3.writes = [Kind.CONFLICT]  # of the ledger, after the record was read
    function.while_asleep = store
    assert function.invoke()["_meta_"]["replayed"]
    assert (function.purchases, function.ledger().reserved) == (0, 0)


def test_retry_that_downloads_settles_for_the_buyer() -> None:
    function = Function(download=PNG, monthly_budget_usd=PRICE)
    dead = function.existing(function.record(status=Status.GENERATED, lease_until=0.0))
    reservation = Reservation(PRICE, function.clock.now, dead.holder)
    function.ledgers.change("1", "2027-01", lambda ledger: ledger.with_reservation(dead.image_id, reservation))
    assert function.invoke()["_meta_"]["replayed"]
    assert function.ledger() == Ledger(settled=PRICE)


def test_limit_of_a_client_is_in_its_secret() -> None:
    function = Function()
    for client_id, key in (("other", "one"), ("other", "two"), ("acme", "one")):
        assert not function.invoke(client_id=client_id, idempotency_key=key)["_meta_"]["replayed"]
    with pytest.raises(BudgetExceededError):
        function.invoke(client_id="acme", idempotency_key="two")
    assert function.invoke(client_id="acme", idempotency_key="one")["_meta_"]["replayed"], "a replay is free"
    assert [key for key in function.s3.objects if key.startswith("budgets/")] == ["budgets/cli_acme/2027-01.json"]


def test_missing_signing_key_is_noticed_before_the_purchase() -> None:
    function = Function(cloudfront_domain="d1.example", cloudfront_key_pair_id="K1", cloudfront_private_key_secret="s")
    with pytest.raises(ConfigurationError, match="CLOUDFRONT_PRIVATE_KEY_SECRET"):
        function.invoke()
    assert (function.purchases, function.s3.objects) == (0, {})


@pytest.mark.parametrize(
    ("outcome", "download", "writes", "errors"),
    [
        (KeyError("a defect"), None, [], [OutcomeUnknownError, OutcomeUnknownError]),
        (PICTURE._replace(content=b"text"), None, [], [ProviderResponseError, ProviderResponseError]),
        (BY_URL, ProviderResponseError("Too large."), [], [ProviderResponseError, ProviderResponseError]),
        (BY_URL, DownloadError("Unreachable."), [], [DownloadError, DownloadError]),
        # The retry gets no RequestInProgressError, because the lease is ended.
        (PICTURE, None, [None, Kind.DENIED], [ConfigurationError, OutcomeUnknownError]),
        (PICTURE, None, [None, *[Kind.ERROR] * 3], [StorageError, OutcomeUnknownError]),
    ],
    ids=range(6),
)
def test_retry_after_a_failure_buys_nothing(
    outcome: Purchase | Exception,
    download: Exception | None,
    writes: Sequence[Kind | None],
    errors: Sequence[type[GenerateImageError]],
) -> None:
    function = Function(outcome, download)
    function.s3.writes = list(writes)
    for error in errors:
        with pytest.raises(error):
            function.invoke()
    assert function.purchases == 1
    assert ("unexpected exception" in function.logged.getvalue()) == isinstance(outcome, KeyError)


def test_download_does_not_use_the_time_for_storing() -> None:
    """The picture was bought by an invocation that has died."""
    function = Function()
    function.existing(function.record(status=Status.GENERATED, lease_until=0.0))
    with pytest.raises(DownloadError, match="DeadlineExceededError"):
        function.invoke(seconds=STORING_SECONDS - 1)
