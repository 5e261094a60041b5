"""Ends of a purchase that the provider's own errors do not cover."""

from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest

from generate_image.errors import ConfigurationError, DownloadError, OutcomeUnknownError
from generate_image.event import image_id, parse_event, request_hash
from generate_image.functions import generate_image
from generate_image.functions._runtime import AwsClients, Environment, with_boundary
from generate_image.functions.generate_image import Parts
from generate_image.generation import STORING_SECONDS
from generate_image.picture import BoughtPicture
from generate_image.provider.images_api import ImagesApi, Purchase
from generate_image.record import Status
from generate_image.settings import Settings
from local.lambda_context import LocalContext
from tests.events import event_for
from tests.proof.faults import Kind
from tests.secrets_manager import MemorySecretsManager
from tests.unit.stores import Stores

EVENT = event_for("a cat", idempotency_key="k")
PROVIDER = "http://127.0.0.1:9"
"""No server listens there."""
PICTURE = Purchase(BoughtPicture("gpt-image-2"), 1.0, b"\x89PNG\r\n\x1a\n")


class Function(Stores):
    """The generate function. defect: the exception of every purchase."""

    def __init__(self, defect: Exception | None = None, **settings: Any) -> None:  # noqa: ANN401
        super().__init__()
        self.purchases = 0
        secrets = MemorySecretsManager({"generate-image/shared/credencial-openai": '{"apiKey": "sk-one"}'})
        self.settings = Settings(image_bucket="bucket", image_namespace=uuid4(), openai_base_url=PROVIDER, **settings)
        environment = Environment(
            settings=self.settings,
            log=self.log,
            clients=cast("AwsClients", SimpleNamespace(s3=self.s3, secrets_manager=secrets)),
            clock=self.clock,
            sleep=self.clock.pass_by,
            margin=0,
        )

        class Images(ImagesApi):
            def buy(_, *__: object) -> Purchase:  # noqa: N805  # self is the function
                self.purchases += 1
                if defect:
                    raise defect
                return PICTURE

        self._serve = with_boundary(generate_image.build(environment, parts=Parts(images=Images)), environment)

    def invoke(self, seconds: float = 60) -> Any:  # noqa: ANN401  # the answer
        return self._serve(EVENT, LocalContext(seconds, str(uuid4())))


def test_defect_during_a_purchase_is_an_unknown_outcome() -> None:
    function = Function(KeyError("a defect"))
    for _ in range(2):
        with pytest.raises(OutcomeUnknownError):
            function.invoke()
    assert function.purchases == 1
    assert "unexpected exception" in function.logged.getvalue()


def test_missing_signing_key_is_noticed_before_the_purchase() -> None:
    function = Function(cloudfront_domain="d1.example", cloudfront_key_pair_id="K1", cloudfront_private_key_secret="s")
    with pytest.raises(ConfigurationError, match="CLOUDFRONT_PRIVATE_KEY_SECRET"):
        function.invoke()
    assert (function.purchases, function.s3.objects) == (0, {})


def test_denied_picture_ends_the_lease() -> None:
    function = Function()
    function.s3.writes = [None, Kind.DENIED]
    with pytest.raises(ConfigurationError):
        function.invoke()
    with pytest.raises(OutcomeUnknownError):  # not RequestInProgressError
        function.invoke()
    assert function.purchases == 1


def test_download_does_not_use_the_time_for_storing() -> None:
    """The picture was bought by an invocation that has died."""
    function = Function()
    request = parse_event(EVENT, default_key="", longest_prompt=100)
    fields = {
        "image_id": image_id(request, function.settings),
        "request_hash": request_hash(request, function.settings),
    }
    bought = BoughtPicture("dall-e-3", source_url=f"{PROVIDER}/picture.png")
    function.existing(function.new(status=Status.GENERATED, lease_until=0.0, bought=bought, **fields))
    with pytest.raises(DownloadError, match="DeadlineExceededError"):
        function.invoke(seconds=STORING_SECONDS - 1)
