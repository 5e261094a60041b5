"""Buys pictures over real connections, with a clock of its own."""

from uuid import UUID

from generate_image.credentials import Credentials
from generate_image.deadline import Deadline
from generate_image.options import NO_OPTIONS, Options
from generate_image.provider.images_api import ImagesApi, Purchase
from generate_image.settings import Settings
from tests.memory_s3 import Clock

FIRST, SECOND = "gpt-image-2.6-flare", "gpt-image-2"
KEY = Credentials("sk-one")
RESERVE_SECONDS = 20


class Buyer:
    """Buys pictures with a clock of its own, on which only its sleep takes time."""

    def __init__(self, base_url: str, *models: str, seconds: float = 60) -> None:
        """seconds: left for a purchase."""
        self.clock = Clock()
        self.waits: list[float] = []
        settings = Settings(
            image_bucket="pictures",
            image_namespace=UUID(int=0),
            image_models=models or (FIRST,),
            image_quality="medium",
            openai_base_url=base_url,
        )
        deadline = Deadline(self.clock)
        deadline.start(RESERVE_SECONDS + seconds)
        self._api = ImagesApi(
            settings,
            deadline,
            clock=self.clock,
            sleep=self._sleep,
            random=lambda: 0.5,
            reserve_seconds=RESERVE_SECONDS,
        )

    def buy(
        self, credentials: Credentials = KEY, prompt: str = "a lighthouse", options: Options = NO_OPTIONS
    ) -> Purchase:
        return self._api.buy(prompt, credentials, options)

    def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.clock.pass_by(seconds)
