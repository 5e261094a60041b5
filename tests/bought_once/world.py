"""A whole world for one request: S3, Secrets Manager, a provider and a clock, in which every outward call can fail.

The module runs unchanged against it. Each call that the module makes to the world is recorded, and meets the fault
that was planned for its place. A death is a death of the function, seen from the world: from there on, nothing that
the function does has any effect.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError, ReadTimeoutError

from generate_image.handler import Handler, told
from generate_image.settings import Settings
from generate_image.telemetry import Telemetry
from local.account import BUCKET, CREDENTIALS_ID, CREDENTIALS_PREFIX, NAMESPACE
from local.lambda_context import LocalContext
from tests.bought_once.faults import Fault, KilledError, Kind
from tests.bought_once.memory_s3 import MemoryS3, client_error

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient

    from tests.bought_once.provider import CountingProvider

INVOCATION_SECONDS = 60.0
LATER_SECONDS = 600.0
"""More than an invocation and the skew of two clocks: whoever held the record is certainly gone."""
EVENT = {
    "client_id": 1,
    "nextModule": "next",
    "config": {"credentials_id": CREDENTIALS_ID},
    "data": {"prompt_image": "a lighthouse", "kept": [1, None]},
    "idempotency_key": "one request",
}

Change = Callable[[Handler], None]
"""Changes a handler before it serves: how a test breaks the protocol on purpose."""


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += seconds


@dataclass(frozen=True)
class End:
    """How an invocation ended: in an answer, in an error, or in neither (it died). faults: what it met.

    calls: the names of its outward calls. died: whether the function was killed; went_on: whether it then called again.
    late: whether the record's holder was certainly gone when it began. was_stored: whether the picture was in S3 then.
    status: the record's, afterwards.
    """

    answer: Mapping[str, Any] | None
    error: BaseException | None
    faults: Sequence[Kind]
    calls: Sequence[str]
    died: bool
    went_on: bool
    late: bool
    was_stored: bool
    status: str | None

    @property
    def undisturbed(self) -> bool:
        return not self.faults


@dataclass
class World:
    """One request's world. faults: what is to happen. by_url: whether the model is dall-e-3."""

    provider: "CountingProvider"
    faults: Sequence[Fault] = ()
    by_url: bool = False
    environ: dict[str, str] = field(default_factory=dict)
    change: Change | None = None

    def __post_init__(self) -> None:
        self.clock = Clock()
        self.storage = MemoryS3(self.clock)
        self.ends: list[End] = []
        self._gone = False
        self.provider.begin(self.meet, by_url=self.by_url)
        self._begin()

    def _begin(self) -> None:
        self.calls: list[str] = []
        self._met: list[Kind] = [Kind.GONE] if self._gone else []
        self._dead = self._told_to_die = self._went_on = self._s3_down = False
        self._late: list[Callable[[], object]] = []

    def invoke(self, *, late: bool = False) -> End:
        """Serve the request in an environment of its own. late: long after the one before."""
        if late:
            self.clock.pass_by(LATER_SECONDS)
        self._begin()
        self._deadline = self.clock.now + INVOCATION_SECONDS
        was_stored = bool(self.pictures())
        unreachable = any(fault.kind is Kind.UNREACHABLE for fault in self._mine())
        environ = {
            "IMAGE_BUCKET": BUCKET,
            "IMAGE_NAMESPACE": NAMESPACE,
            "CREDENTIALS_PREFIX": CREDENTIALS_PREFIX,
            "IMAGE_MODELS": "dall-e-3" if self.by_url else "gpt-image-2.6-flare",
            "OPENAI_BASE_URL": self.provider.refusing_url if unreachable else self.provider.base_url,
        } | self.environ
        handler = Handler(
            Settings.from_mapping(environ),
            cast("S3Client", _FaultyS3(self)),
            cast("SecretsManagerClient", _FaultySecrets(self)),
            TELEMETRY,
            clock=self.clock,
            sleep=self.clock.pass_by,
        )
        if self.change:
            self.change(handler)
        if unreachable:
            self._met.append(Kind.UNREACHABLE)
        answer, error = self._outcome(handler)
        for write in self._late:
            with suppress(ClientError):  # a condition may not hold by now; nobody is there to be told
                write()
        end = End(
            answer=answer,
            error=error,
            faults=tuple(self._met),
            calls=tuple(self.calls),
            died=self._dead,
            went_on=self._went_on,
            late=late,
            was_stored=was_stored,
            status=self.record_status(),
        )
        self.ends.append(end)
        return end

    def _outcome(self, handler: Handler) -> tuple[dict[str, Any] | None, BaseException | None]:
        context = LocalContext(INVOCATION_SECONDS, f"request {len(self.ends)}")
        try:
            with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):  # noqa: PTH123  # the metrics
                answer = told(TELEMETRY, context, lambda: handler.serve(json.loads(json.dumps(EVENT)), context))
        except BaseException as error:  # noqa: BLE001  # whatever comes out is what is judged
            return None, error
        return answer, None

    def _mine(self) -> list[Fault]:
        return [fault for fault in self.faults if fault.invocation == len(self.ends)]

    def meet(self, name: str) -> Kind | None:
        """Record an outward call, and return what happens to it."""
        if self._dead:
            return Kind.DIES_BEFORE
        position = len(self.calls)
        self.calls.append(name)
        here = [fault.kind for fault in self._mine() if fault.position == position]
        kind = next((kind for kind in here if kind is not Kind.UNREACHABLE), None)
        if kind:
            self._met.append(kind)
        if kind in {Kind.DIES_BEFORE, Kind.DIES_AFTER}:
            self._dead = True
        if kind is Kind.OUT_OF_TIME:
            self.clock.now = max(self.clock.now, self._deadline)
        if name == "GET":
            self._gone |= kind is Kind.GONE
            return Kind.GONE if self._gone and not kind else kind
        if "object" in name:
            self._s3_down |= kind is Kind.DOWN
            return Kind.DOWN if self._s3_down and not kind else kind
        return kind

    def call(self, name: str, effect: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Make a call to AWS: what happens to it, happens."""
        self._went_on |= self._told_to_die
        kind = self.meet(name)
        self._told_to_die |= self._dead
        if kind in {Kind.REFUSED, Kind.DOWN}:
            raise EndpointConnectionError(endpoint_url="https://aws")
        if kind in ANSWERS:
            raise client_error(*ANSWERS[kind], name)
        if kind is Kind.DIES_BEFORE:
            raise KilledError
        if kind is Kind.LATE:
            self._late.append(effect)
            raise ReadTimeoutError(endpoint_url="https://aws")
        try:
            response = effect()
        finally:
            if kind is Kind.DIES_AFTER:
                raise KilledError
            if kind is Kind.LOST:
                raise ConnectionClosedError(endpoint_url="https://aws")
            if kind is Kind.OUT_OF_TIME:
                raise ReadTimeoutError(endpoint_url="https://aws")
        return response

    def pictures(self) -> dict[str, bytes]:
        """Return the pictures in S3, by key."""
        return {key: found.body for key, found in self.storage.objects.items() if not key.endswith(".json")}

    def record_status(self) -> str | None:
        """Return the status of the request's record."""
        records = [found.body for key, found in self.storage.objects.items() if key.endswith(".json")]
        return json.loads(records[0])["status"] if records else None


ANSWERS = {
    Kind.ERROR: ("InternalError", 500),
    Kind.CONFLICT: ("ConditionalRequestConflict", 409),
    Kind.DENIED: ("AccessDenied", 403),
}
TELEMETRY = Telemetry(open(os.devnull, "w"), service="every-schedule")  # noqa: PTH123, SIM115  # as long as the process


class _FaultyS3:
    """The world's S3, as a boto3 client."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.generate_presigned_url = world.storage.generate_presigned_url

    def put_object(self, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401  # boto3's
        body = parameters["Body"]
        content = body if isinstance(body, bytes) else body.read()  # sent by now, whenever it takes effect
        name = "put_object if" if {"IfMatch", "IfNoneMatch"} & parameters.keys() else "put_object"
        return self._world.call(name, lambda: self._world.storage.put_object(**parameters | {"Body": content}))

    def get_object(self, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401  # boto3's
        return self._world.call("get_object", lambda: self._world.storage.get_object(**parameters))

    def head_object(self, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401  # boto3's
        return self._world.call("head_object", lambda: self._world.storage.head_object(**parameters))


class _FaultySecrets:
    """The world's Secrets Manager, as a boto3 client: one shared secret."""

    def __init__(self, world: World) -> None:
        self._world = world

    def get_secret_value(self, SecretId: str, **_: object) -> dict[str, Any]:  # noqa: N803  # boto3's
        def effect() -> dict[str, Any]:
            if "/shared/" not in SecretId:
                raise client_error("ResourceNotFoundException", 400, "GetSecretValue")
            return {"SecretString": json.dumps({"apiKey": "sk-of-the-test"})}

        return self._world.call("get_secret_value", effect)
