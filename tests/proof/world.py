"""S3, Secrets Manager, a provider and a clock for one request. Every outward call can fail.

The module runs unchanged in this world. The world lists each outward call and applies the fault planned for it. A death
ends the function as seen from outside: no later call of it has an effect.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError, ReadTimeoutError

from generate_image.aws.ledger import Ledger
from generate_image.aws.pictures import PictureStore
from generate_image.aws.records import RecordStore
from generate_image.deadline import Deadline
from generate_image.functions import generate_image
from generate_image.functions._runtime import AwsClients, Environment, Serve, with_boundary
from generate_image.functions.generate_image import PARTS, Parts
from generate_image.lease import find_stored_with
from generate_image.log import Log
from generate_image.resolution import LONGEST_INVOCATION_SECONDS
from generate_image.settings import Settings
from local.lambda_context import LocalContext
from tests.memory_s3 import Clock, MemoryS3, client_error
from tests.proof.faults import Fault, KilledError, Kind

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from tests.proof.provider import CountingProvider

INVOCATION_SECONDS = 60.0
LATER_SECONDS = 600.0
"""More than an invocation and the skew of two clocks: every lease has expired."""
EVENT = {
    "client_id": 1,
    "nextModule": "next",
    "config": {"credentials_id": "credencial-openai"},
    "data": {"prompt_image": "a lighthouse", "kept": [1, None]},
    "idempotency_key": "one request",
}


@dataclass(frozen=True)
class End:
    """The end of an invocation: an answer, an error, or neither if the function died. faults: the faults that struck.

    calls: the names of its outward calls. died: whether the function was killed. went_on: whether it then made a call.
    late: whether the lease had expired before it started. was_stored: whether the picture was in S3 before it started.
    status: of the record, afterwards.
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
    """The world of one request. by_url: whether the model is dall-e-3. parts: the classes of the function."""

    provider: "CountingProvider"
    faults: Sequence[Fault] = ()
    by_url: bool = False
    environ: dict[str, str] = field(default_factory=dict)
    parts: Parts = PARTS

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
        self._dead = self._death_raised = self._went_on = self._s3_down = False
        self._late: list[Callable[[], object]] = []

    def invoke(self, *, late: bool = False) -> End:
        """Serve the request in a new environment. late: after the last lease has expired."""
        if late:
            self.clock.pass_by(LATER_SECONDS)
        self._begin()
        self._deadline = self.clock.now + INVOCATION_SECONDS
        was_stored = bool(self.pictures())
        unreachable = any(fault.kind is Kind.UNREACHABLE for fault in self._mine())
        environment = Environment(
            settings=Settings.from_mapping(self._environ(unreachable=unreachable)),
            log=LOG,
            clients=cast("AwsClients", SimpleNamespace(s3=_FaultyS3(self), secrets_manager=_FaultySecrets(self))),
            clock=self.clock,
            sleep=self.clock.pass_by,
        )
        function = with_boundary(generate_image.build(environment, parts=self.parts), environment)
        if unreachable:
            self._met.append(Kind.UNREACHABLE)
        answer, error = self._outcome(function)
        for write in self._late:
            with suppress(ClientError):  # the condition may fail by now
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

    def _environ(self, *, unreachable: bool = False) -> dict[str, str]:
        return {
            "IMAGE_BUCKET": "bucket",
            "IMAGE_NAMESPACE": "6f1c8a52-3f0e-4d0a-9a0b-5a5b1e0c7d11",
            "IMAGE_MODELS": "dall-e-3" if self.by_url else "gpt-image-2.6-flare",
            "OPENAI_BASE_URL": self.provider.refusing_url if unreachable else self.provider.base_url,
        } | self.environ

    def _outcome(self, function: Serve) -> tuple[dict[str, Any] | None, BaseException | None]:
        context = LocalContext(INVOCATION_SECONDS, f"request {len(self.ends)}")
        try:
            with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):  # noqa: PTH123  # the metrics
                answer = function(json.loads(json.dumps(EVENT)), context)
        except BaseException as error:  # noqa: BLE001  # the test judges every exception
            return None, error
        return answer, None

    def _mine(self) -> list[Fault]:
        return [fault for fault in self.faults if fault.invocation == len(self.ends)]

    def meet(self, name: str) -> Kind | None:
        """List an outward call and return its fault."""
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
        """Make a call to AWS under its fault."""
        self._went_on |= self._death_raised
        kind = self.meet(name)
        self._death_raised |= self._dead
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
        """Return the pictures in S3 by key."""
        return {key: found.body for key, found in self.storage.objects.items() if not key.endswith(".json")}

    def ledgers(self) -> list[Ledger]:
        """Return the client's ledgers, one for each month."""
        objects = self.storage.objects
        return [Ledger.from_json(objects[key].body) for key in sorted(objects) if key.startswith("budgets/")]

    def resolve(self) -> None:
        """Resolve the open reservations, undisturbed, after every invocation has ended."""
        self.faults = ()
        self.clock.pass_by(LONGEST_INVOCATION_SECONDS + 1)
        self._begin()
        settings, deadline = Settings.from_mapping(self._environ()), Deadline(self.clock)
        s3 = cast("S3Client", self.storage)
        pictures = PictureStore(s3, "bucket", 7, deadline, sleep=self.clock.pass_by)
        ledgers = self.parts.ledgers(s3, "bucket", deadline, sleep=self.clock.pass_by, random=lambda: 0.5)
        records = RecordStore(s3, "bucket", sleep=self.clock.pass_by)
        budget = self.parts.budget(settings, ledgers, records, find_stored_with(pictures), LOG, deadline)
        for key in [key for key in self.storage.objects if key.startswith("budgets/")]:
            budget.resolve_stale("1", key.rpartition("/")[2].removesuffix(".json"))

    def record_status(self) -> str | None:
        """Return the status of the request's record."""
        objects = self.storage.objects
        records = [objects[key].body for key in objects if key.startswith("temporal/") and key.endswith(".json")]
        return json.loads(records[0])["status"] if records else None


ANSWERS = {
    Kind.ERROR: ("InternalError", 500),
    Kind.CONFLICT: ("ConditionalRequestConflict", 409),
    Kind.DENIED: ("AccessDenied", 403),
}
LOG = Log("schedules", open(os.devnull, "w"))  # noqa: PTH123, SIM115  # as long as the process


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
