"""Ends of a purchase that the provider's own errors do not cover."""

from io import StringIO
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

import pytest

from generate_image.aws.records import RecordStore
from generate_image.errors import ConfigurationError, DownloadError, OutcomeUnknownError
from generate_image.event import image_id, parse_event, request_hash
from generate_image.functions import generate_image
from generate_image.functions._runtime import AwsClients, Environment, with_boundary
from generate_image.functions.generate_image import Parts
from generate_image.generation import STORING_SECONDS
from generate_image.log import Log
from generate_image.picture import BoughtPicture
from generate_image.provider.images_api import ImagesApi, Purchase
from generate_image.record import Record, Status
from generate_image.settings import Settings
from local.lambda_context import LocalContext
from tests.memory_s3 import Clock, ScriptedS3
from tests.proof.faults import Kind
from tests.secrets_manager import MemorySecretsManager

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

EVENT = {"client_id": 1, "config": {"credentials_id": "name", "prompt": "a cat"}, "idempotency_key": "k"}
PROVIDER = "http://127.0.0.1:9"
"""No server listens there."""
PICTURE = Purchase(BoughtPicture("gpt-image-2"), 1.0, b"\x89PNG\r\n\x1a\n")


class Function:
    """The generate function. purchase: the result of every purchase, or the exception that it raises."""

    def __init__(self, purchase: Purchase | Exception = PICTURE) -> None:
        self.clock = Clock()
        self.s3 = ScriptedS3(self.clock)
        self.settings = Settings(image_bucket="bucket", image_namespace=uuid4(), openai_base_url=PROVIDER)
        self.purchases = 0
        secrets = MemorySecretsManager({"generate-image/shared/name": '{"apiKey": "sk-one"}'})
        environment = Environment(
            settings=self.settings,
            log=Log(f"generate-image-{uuid4()}", StringIO()),
            clients=cast("AwsClients", SimpleNamespace(s3=self.s3, secrets_manager=secrets)),
            clock=self.clock,
            sleep=self.clock.pass_by,
            margin=0,
        )
        function = self

        class Images(ImagesApi):
            def buy(self, *_: object) -> Purchase:
                function.purchases += 1
                if isinstance(purchase, Exception):
                    raise purchase
                return purchase

        parts = Parts(images=Images)
        self._serve = with_boundary(generate_image.build(environment, parts=parts), environment)

    def invoke(self, seconds: float = 60) -> Any:  # noqa: ANN401  # the answer
        return self._serve(EVENT, LocalContext(seconds, str(uuid4())))

    def save_bought(self) -> None:
        """Save the record of a picture that was bought and not downloaded, and whose lease has expired."""
        request = parse_event(EVENT, default_key="", longest_prompt=100)
        known = request_hash(request, self.settings)
        new = Record(Status.STARTED, "1", image_id(request, self.settings), known, "other", 0.0, "a cat")
        records = RecordStore(cast("S3Client", self.s3), "bucket", sleep=self.clock.pass_by)
        started = records.write(new)
        bought = BoughtPicture("dall-e-3", source_url=f"{PROVIDER}/picture.png")
        records.write(started._replace(status=Status.GENERATED, bought=bought), replacing=started)


def test_defect_during_a_purchase_is_an_unknown_outcome() -> None:
    function = Function(KeyError("a defect"))
    for _ in range(2):
        with pytest.raises(OutcomeUnknownError):
            function.invoke()
    assert function.purchases == 1


def test_denied_picture_ends_the_lease() -> None:
    function = Function()
    function.s3.writes = [None, Kind.DENIED]
    with pytest.raises(ConfigurationError):
        function.invoke()
    with pytest.raises(OutcomeUnknownError):  # not RequestInProgressError
        function.invoke()
    assert function.purchases == 1


def test_download_does_not_use_the_time_for_storing() -> None:
    function = Function()
    function.save_bought()
    with pytest.raises(DownloadError, match="DeadlineExceededError"):
        function.invoke(seconds=STORING_SECONDS - 1)
