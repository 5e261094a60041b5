"""S3, Secrets Manager, a provider and a clock for one execution. Every outward call can fail.

The module runs unchanged in this world. The world lists each outward call and applies the fault planned for it. A death
ends the function as seen from outside: no later call of it has an effect.
"""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import IO, Any, NamedTuple, cast

from generate_image.aws.ledger import Ledger
from generate_image.functions._runtime import AwsClients, Build, Environment, with_boundary
from generate_image.log import Log
from generate_image.settings import Settings
from local.lambda_context import LocalContext
from tests.memory_s3 import Clock, Effect, MemoryS3, client_error, run_late, under_fault
from tests.proof.faults import Fault, Kind
from tests.proof.provider import CountingProvider

SETTINGS = {"IMAGE_BUCKET": "bucket", "IMAGE_NAMESPACE": "6f1c8a52-3f0e-4d0a-9a0b-5a5b1e0c7d11"}
LOG = Log("schedules", open(os.devnull, "w"))  # noqa: PTH123, SIM115  # as long as the process

Call = Callable[[str, Effect], dict[str, Any]]
"""Makes an outward call. Takes its name and its effect on the service."""


class End(NamedTuple):
    """The end of an invocation: an answer, an error, or neither if the function died. faults: the faults that struck.

    calls: the names of its outward calls. died: whether the function was killed. went_on: whether it then made a call.
    was_stored: whether a picture was in S3 before it started. statuses: of the records, afterwards.
    """

    answer: dict[str, Any] | None
    error: BaseException | None
    faults: Sequence[Kind]
    calls: Sequence[str]
    died: bool
    went_on: bool
    was_stored: bool
    statuses: Sequence[str]


@dataclass
class World:
    """The world of one execution. environ: the function's settings. ends: of its invocations, so far."""

    provider: CountingProvider
    faults: Sequence[Fault] = ()
    environ: Mapping[str, str] = field(default_factory=dict)

    disturbed = 0
    """So many invocations can meet a fault."""

    def __post_init__(self) -> None:
        self.clock = Clock()
        self.storage = MemoryS3(self.clock)
        self.ends: list[End] = []
        self._gone = False

    def violations(self) -> Iterator[str]:
        """Yield the broken promises, after the execution has ended."""
        raise NotImplementedError

    def results(self) -> Counter[str]:
        """Return "picture" or the error's class, for each result."""
        raise NotImplementedError

    def invoke(self, build: Build, event: object, seconds: float) -> End:
        """Run one invocation in a new execution environment. seconds: the function's timeout."""
        kinds = [fault.kind for fault in self._mine()]
        self.calls: list[str] = []
        self._met = [Kind.GONE] * self._gone + [Kind.UNREACHABLE] * (Kind.UNREACHABLE in kinds)
        self._dead = self._death_raised = self._went_on = self._s3_down = False
        self._late: list[Effect] = []
        self._deadline = self.clock.now + seconds
        was_stored = bool(self.pictures())
        environment = self._environment(is_reachable=Kind.UNREACHABLE not in kinds)
        function = with_boundary(build(environment), environment)
        answer = error = None
        try:
            with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):  # noqa: PTH123  # the metrics
                answer = function(json.loads(json.dumps(event)), LocalContext(seconds, f"request {len(self.ends)}"))
        except BaseException as raised:  # noqa: BLE001  # the test judges every exception
            error = raised
        run_late(self._late)
        statuses = [record["status"] for record in self.records()]
        return End(answer, error, self._met, self.calls, self._dead, self._went_on, was_stored, statuses)

    def _environment(self, *, is_reachable: bool) -> Environment:
        url = self.provider.base_url if is_reachable else self.provider.refusing_url
        return environment_of({"OPENAI_BASE_URL": url, **self.environ}, self.storage, self.call, self.clock)

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

    def call(self, name: str, effect: Effect) -> dict[str, Any]:
        """Make a call to AWS under its fault."""
        self._went_on |= self._death_raised
        kind = self.meet(name)
        self._death_raised |= self._dead
        return under_fault(kind, name, effect, self._late)

    def pictures(self) -> dict[str, bytes]:
        """Return the pictures in S3 by key."""
        return {key: found.body for key, found in self.storage.objects.items() if not key.endswith((".json", ".jsonl"))}

    def records(self) -> list[dict[str, Any]]:
        """Return every record."""
        objects = self.storage.objects.items()
        return [json.loads(found.body) for key, found in objects if key.startswith("temporal/") and key[-5:] == ".json"]

    def ledgers(self) -> list[Ledger]:
        """Return the client's ledgers, one for each month."""
        return ledgers_in(self.storage)


def ledgers_in(storage: MemoryS3) -> list[Ledger]:
    """Return the ledgers in S3."""
    return [Ledger.from_json(found.body) for key, found in sorted(storage.objects.items()) if key[:8] == "budgets/"]


def environment_of(environ: Mapping[str, str], storage: MemoryS3, call: Call, clock: Clock) -> Environment:
    """Return an execution environment whose calls to AWS go through ``call``. A sleep moves the clock."""
    clients = SimpleNamespace(s3=_S3(storage, call), secrets_manager=_SecretsManager(call))
    return Environment(
        settings=Settings.from_mapping({**SETTINGS, **environ}),
        log=LOG,
        clients=cast("AwsClients", clients),
        clock=clock,
        sleep=clock.pass_by,
    )


class _S3:
    """A boto3 client."""

    def __init__(self, storage: MemoryS3, call: Call) -> None:
        self._storage, self._call = storage, call
        self.generate_presigned_url = storage.generate_presigned_url

    def put_object(self, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401  # boto3's
        body = parameters["Body"]
        content = body if isinstance(body, bytes) else body.read()  # sent by now, whenever it takes effect
        name = "put_object if" if {"IfMatch", "IfNoneMatch"} & parameters.keys() else "put_object"
        return self._call(name, lambda: self._storage.put_object(**parameters | {"Body": content}))

    def upload_fileobj(self, stream: IO[bytes], bucket: str, key: str, **_: object) -> None:
        self.put_object(Bucket=bucket, Key=key, Body=stream)  # as boto3 does for a small file

    def get_object(self, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401  # boto3's
        return self._call("get_object", lambda: self._storage.get_object(**parameters))

    def head_object(self, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401  # boto3's
        return self._call("head_object", lambda: self._storage.head_object(**parameters))


class _SecretsManager:
    """A boto3 client: no client has a credential of its own, and all share each one that is not named ``absent``."""

    def __init__(self, call: Call) -> None:
        self._call = call

    def get_secret_value(self, SecretId: str, **_: object) -> dict[str, Any]:  # noqa: N803  # boto3's
        def effect() -> dict[str, Any]:
            if "/shared/" not in SecretId or SecretId.endswith("/absent"):
                raise client_error("ResourceNotFoundException", 400, "GetSecretValue")
            return {"SecretString": json.dumps({"apiKey": "sk-of-the-test"})}

        return self._call("get_secret_value", effect)
