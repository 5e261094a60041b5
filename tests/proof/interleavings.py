"""Several invocations whose outward calls interleave at random, with deaths, lost responses and late writes.

Each invocation runs in a thread of its own and stops before each call. One of them goes on at a time, so a seed repeats
its schedule.
"""

import random
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from threading import Semaphore, Thread
from types import SimpleNamespace
from typing import Any, cast

from botocore.exceptions import ClientError, ReadTimeoutError

from generate_image.aws.ledger import Ledger
from generate_image.credentials import Credentials
from generate_image.errors import ContentRejectedError, GenerateImageError, OutcomeUnknownError, RateLimitedError
from generate_image.functions import generate_image
from generate_image.functions._runtime import AwsClients, Environment
from generate_image.functions.generate_image import Parts
from generate_image.money import MicroUsd
from generate_image.options import NO_OPTIONS, Options
from generate_image.picture import BoughtPicture
from generate_image.provider.images_api import ImagesApi, Purchase
from generate_image.provider.models import largest_cost_of
from generate_image.settings import Settings
from local.lambda_context import LocalContext
from tests.events import event_for
from tests.memory_s3 import Clock, MemoryS3
from tests.proof.faults import KilledError
from tests.proof.world import LOG
from tests.provider_server import PICTURE

MODEL = "gpt-image-2"
QUALITIES = ("low", "medium", "high")
INVOCATION_SECONDS = 60.0
MONTH_ENDS = 1_801_440_000.0
"""2027-02-01."""
SECRETS = SimpleNamespace(get_secret_value=lambda **_: {"SecretString": '{"apiKey": "sk-of-the-test"}'})


class Interleaving:
    """Two to four calls of one or two keys, under one budget. budget: the class under test."""

    def __init__(self, seed: int, parts: Parts) -> None:
        self.random = random.Random(seed)
        self.parts = parts
        self.clock = Clock()
        self.clock.now = MONTH_ENDS - self.random.choice([1_000_000.0, 2.0])
        self.s3 = MemoryS3(self.clock)
        self.late: list[Callable[[], object]] = []
        self.faults = self.random.choice([0.0, 0.05, 0.2])
        self.limit = self.random.choice([60_000, 250_000, 1_000_000])
        self.when_unknown = self.random.choice(["fail", "buy-again"])
        self.billed = 0
        self.violations: set[str] = set()
        self._scheduler = Semaphore(0)

    def run(self) -> set[str]:
        """Return the broken promises of a schedule."""
        quality = self.random.choice(QUALITIES)
        running = [Invocation(self, self.random.choice("aab"), quality) for _ in range(self.random.randint(2, 4))]
        if self.random.random() < 1 / 3:
            running[0].quality = self.random.choice(QUALITIES)
        while running or self.late:
            if self.late and (not running or self.random.random() < 1 / 10):
                with suppress(ClientError):  # the condition may fail by now
                    self.late.pop()()
            else:
                invocation = self.random.choice(running)
                self.clock.pass_by(self.random.choice([0.1, 0.5] if self.random.random() < 0.98 else [70.0]))  # rarely
                invocation.go_on()
                if invocation.ended:
                    running.remove(invocation)
            self._check()
        return self.violations

    def wait(self) -> None:
        """Wait until the running invocation stops."""
        self._scheduler.acquire()

    def stop(self) -> None:
        """Report that the running invocation has stopped."""
        self._scheduler.release()

    def _check(self) -> None:
        ledgers = [Ledger.from_json(found.body) for key, found in self.s3.objects.items() if key.startswith("budgets/")]
        if any(ledger.settled + ledger.reserved > self.limit for ledger in ledgers):
            self.violations.add("the limit is exceeded")
        if sum(ledger.settled + ledger.reserved for ledger in ledgers) < self.billed:
            self.violations.add("a billed picture is not counted")


class Invocation:
    """One call of the function, in a thread. It stops before each outward call."""

    def __init__(self, world: Interleaving, key: str, quality: str) -> None:
        self.world = world
        self.key = key
        self.quality = quality
        self.ended = False
        self._turn = Semaphore(0)
        self._deadline = 0.0
        self._thread = Thread(target=self._run, daemon=True)

    def go_on(self) -> None:
        """Run up to the next outward call, or to the end."""
        if not self._thread.ident:
            self._deadline = self.world.clock.now + INVOCATION_SECONDS
            self._thread.start()
        else:
            self._turn.release()
        self.world.wait()

    def pause(self) -> None:
        """Let others go on. Raises KilledError at Lambda's timeout."""
        self.world.stop()
        self._turn.acquire()
        if self.world.clock.now > self._deadline:
            raise KilledError

    def call(self, effect: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Make a call to S3, sometimes with a fault."""
        self.pause()
        kind = self.world.random.choice(FAULTS) if self.world.random.random() < self.world.faults else ""
        if kind == "dies before":
            raise KilledError
        if "late" in kind:
            self.world.late.append(effect)
        response = {} if "late" in kind else effect()
        if "dies" in kind:
            raise KilledError
        if kind:
            raise ReadTimeoutError(endpoint_url="https://s3")
        return response

    def _run(self) -> None:
        world = self.world
        environment = Environment(
            settings=Settings.from_mapping(
                {
                    "IMAGE_BUCKET": "bucket",
                    "IMAGE_NAMESPACE": "6f1c8a52-3f0e-4d0a-9a0b-5a5b1e0c7d11",
                    "IMAGE_MODELS": MODEL,
                    "MONTHLY_BUDGET_USD": str(world.limit / 1_000_000),
                    "WHEN_OUTCOME_UNKNOWN": world.when_unknown,
                }
            ),
            log=LOG,
            clients=cast("AwsClients", SimpleNamespace(s3=InterleavedS3(self), secrets_manager=SECRETS)),
            clock=world.clock,
            sleep=lambda _: self.pause(),
        )
        images = cast("type[ImagesApi]", partial(Provider, self))
        environment.deadline.start(INVOCATION_SECONDS)
        event = event_for("cat", idempotency_key=self.key)
        event["config"]["options"] = {"quality": self.quality}
        with suppress(GenerateImageError, KilledError):
            generate_image.build(environment, parts=world.parts._replace(images=images))(event, LocalContext())
        self.ended = True
        world.stop()


FAULTS = ("dies before", "dies after", "late", "late and dies", "lost")


class InterleavedS3:
    """An invocation's boto3 client."""

    def __init__(self, invocation: Invocation) -> None:
        self._call, self._s3 = invocation.call, invocation.world.s3
        self.generate_presigned_url = self._s3.generate_presigned_url

    def put_object(self, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401  # boto3's
        body = parameters["Body"]
        sent = parameters | {"Body": body if isinstance(body, bytes) else body.read()}
        return self._call(lambda: self._s3.put_object(**sent))

    def get_object(self, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401  # boto3's
        return self._call(lambda: self._s3.get_object(**parameters))

    def head_object(self, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401  # boto3's
        return self._call(lambda: self._s3.head_object(**parameters))


class Provider:
    """An images API whose bill is the price bound. It often refuses, which frees the reservation."""

    def __init__(self, invocation: Invocation, *_: object, **__: object) -> None:
        self._invocation = invocation

    def buy(self, prompt: str, _: Credentials, options: Options = NO_OPTIONS) -> Purchase:
        world = self._invocation.world
        self._invocation.pause()
        outcome = world.random.random()
        if outcome < 1 / 4:
            raise world.random.choice([RateLimitedError("Too many."), ContentRejectedError("Rejected.")])
        world.billed += largest_cost_of(MODEL, prompt, "medium", options, MicroUsd(0)) or 0
        self._invocation.pause()
        if outcome < 1 / 4 + world.faults:
            raise OutcomeUnknownError("Unknown.")
        return Purchase(BoughtPicture(MODEL), 1.0, PICTURE)
