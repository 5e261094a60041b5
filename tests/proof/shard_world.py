"""A shard of a batch in the world of the schedules: its child execution, with every outward call able to fail."""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError

from generate_image.errors import ERRORS_BY_CODE, InternalError
from generate_image.functions import batch_shards, generate_image
from generate_image.functions._runtime import AwsClients, Build, Environment, with_boundary
from generate_image.functions.batch_shards import PARTS, Parts
from generate_image.money import MicroUsd
from generate_image.settings import Settings
from local.lambda_context import LocalContext
from tests.proof.faults import KINDS, Fault, KilledError, Kind
from tests.proof.world import INVOCATION_SECONDS, LOG, End, World, _FaultyS3, _FaultySecrets

if TYPE_CHECKING:
    from tests.proof.batch_provider import BatchProvider

PROMPTS = ("a lighthouse", "a quay")
POLL_SECONDS = 300
MOST_STEPS = 150
REDRIVES = 3
HALF_COST = MicroUsd(-(-(9 * 5 + 439 * 30) // 2))
SHARD_SECONDS = 900.0
LATE_SECONDS = 400.0
"""A submission that takes effect late does so after the first search for it."""

_GET = (Kind.ERROR, Kind.CLOSED, Kind.TRUNCATED, Kind.GATEWAY, Kind.OUT_OF_TIME, Kind.DIES_BEFORE)
_POST = (*_GET, Kind.RATE_LIMITED, Kind.LOST, Kind.DIES_AFTER)
SHARD_KINDS: Mapping[str, tuple[Kind, ...]] = KINDS | {
    "upload": _POST,
    "create": (*_POST, Kind.UNREACHABLE, Kind.UNAUTHORIZED, Kind.LATE),
    "cancel": _POST,
    "retrieve": _GET,
    "list": _GET,
    "content": _GET,
}


def item_of(prompt: str) -> dict[str, Any]:
    """Return the event of an item, as prepare_list writes it."""
    return {
        "client_id": 1,
        "config": {"credentials_id": "credencial-openai", "prompt": prompt},
        "idempotency_key": f"list/{prompt}",
    }


@dataclass
class ShardWorld(World):
    """One shard. prompts: of its items. shard_parts: the classes of its function.

    execution: its name. is_direct: whether pictures are also requested directly, during the batch and after it. direct:
    the results of that. results: of the items, at the end.
    """

    execution: str = "run"
    is_direct: bool = True
    prompts: Sequence[str] = PROMPTS
    shard_parts: Parts = PARTS
    results: list[dict[str, Any]] = field(default_factory=list)
    direct: list[BaseException | Mapping[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.batch_provider = cast("BatchProvider", self.provider)
        self.batch_provider.start(self.meet, self.clock)
        self._late_calls: list[tuple[float, Callable[[], object]]] = []
        self.items = [item_of(prompt) for prompt in self.prompts]

    def run(self) -> "ShardWorld":
        """Run the child execution to its end, with redrives and direct calls for one of its pictures."""
        step, redrives, has_called = "submit", 0, False
        shards: list[str] = []
        for _ in range(MOST_STEPS):
            result, end = self._step(step, shards)
            if result is None:
                if not isinstance(end.error, KilledError) and not getattr(end.error, "retryable", False):
                    redrives += 1
                    if redrives > REDRIVES:
                        return self
                self.clock.pass_by(30.0)
                continue
            shards = result["shards"]
            if result["next"] == "done":
                self.results = list(self._read(result["results"]))
                if self.is_direct:
                    self.direct += [self._call_directly(prompt) for prompt in self.prompts]
                return self
            if result["seconds"]:
                if self.is_direct and not has_called:
                    has_called = True
                    self.direct.append(self._call_directly(self.prompts[0]))
                self.clock.pass_by(result["seconds"])
            step = result["next"]
        return self

    def _step(self, step: str, shards: object) -> tuple[dict[str, Any] | None, End]:
        event = {"step": step, "execution": self.execution, "items": self.items, "poll_seconds": POLL_SECONDS}
        event["shards"] = shards
        for due, call in self._late_calls:
            if due <= self.clock.now:
                call()
        self._late_calls = [(due, call) for due, call in self._late_calls if due > self.clock.now]
        self._begin()
        self._deadline = self.clock.now + SHARD_SECONDS
        unreachable = any(fault.kind is Kind.UNREACHABLE for fault in self._mine())
        if unreachable:
            self._met.append(Kind.UNREACHABLE)
        build: Build = lambda environment: batch_shards.build(environment, parts=self.shard_parts)  # noqa: E731
        result, error = self._invoke(build, event, SHARD_SECONDS, unreachable=unreachable)
        for write in self._late:
            with suppress(ClientError):  # the condition may fail by now
                write()
        self._late_calls += [(self.clock.now + LATE_SECONDS, call) for call in self.batch_provider.late]
        self.batch_provider.late.clear()
        if self._dead:
            result, error = None, KilledError()
        end = End(result, error, tuple(self._met), tuple(self.calls), self._dead, self._went_on, False, False, None)  # noqa: FBT003
        self.ends.append(end)
        return result, end

    def _invoke(
        self, build: Build, event: object, seconds: float, *, unreachable: bool = False
    ) -> tuple[dict[str, Any] | None, BaseException | None]:
        environment = Environment(
            settings=Settings.from_mapping(self._environ(unreachable=unreachable)),
            log=LOG,
            clients=cast("AwsClients", SimpleNamespace(s3=_FaultyS3(self), secrets_manager=_FaultySecrets(self))),
            clock=self.clock,
            sleep=self.clock.pass_by,
        )
        function = with_boundary(build(environment), environment)
        try:
            with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):  # noqa: PTH123  # the metrics
                return function(json.loads(json.dumps(event)), LocalContext(seconds)), None
        except BaseException as error:  # noqa: BLE001  # the test judges every exception
            return None, error

    def _call_directly(self, prompt: str) -> BaseException | Mapping[str, Any]:
        """Request the picture of an item at the standard price, undisturbed."""
        faults, self.faults = self.faults, ()
        self._begin()
        self._deadline = self.clock.now + INVOCATION_SECONDS
        answer, error = self._invoke(generate_image.build, item_of(prompt), INVOCATION_SECONDS)
        self.faults = faults
        return error or answer or {}

    def _read(self, files: Mapping[str, Sequence[Mapping[str, str]]]) -> Iterator[dict[str, Any]]:
        for file in (file for of_status in files.values() for file in of_status):
            for line in self.storage.objects[file["Key"]].body.splitlines():
                yield json.loads(line)

    def records(self) -> list[dict[str, Any]]:
        """Return every record."""
        objects = self.storage.objects
        return [json.loads(objects[key].body) for key in objects if key.startswith("temporal/") and key[-5:] == ".json"]


def violations(world: ShardWorld) -> Iterator[str]:
    """Yield the broken promises of a schedule."""
    billed = world.batch_provider.by_prompt
    for prompt, count in billed.items():
        if count > 1:
            yield f"{prompt} is billed {count} times"
    if world.batch_provider.live() > 1:
        yield f"{world.batch_provider.live()} batches are alive"
    for number, end in enumerate(world.ends):
        if end.went_on or isinstance(end.error, InternalError):
            yield f"invocation {number} ended in {end.error!r}, or went on after its death"
    yield from _problems_of_results(world)
    if world.environ.get("MONTHLY_BUDGET_USD"):
        yield from _broken_budget(world)


def _problems_of_results(world: ShardWorld) -> Iterator[str]:
    if not world.results:
        yield f"the execution did not end: {[type(end.error).__name__ for end in world.ends[-5:]]}"
    keys = [json.loads(result["Input"])["idempotency_key"] for result in world.results]
    if sorted(keys) != sorted(item["idempotency_key"] for item in world.items):
        yield "not every item has one result"
    for result in world.results:
        yield from _problems(result, world)
    if any(record["status"] not in {"stored", "failed", "released"} for record in world.records()):
        yield f"a record is left {[record['status'] for record in world.records()]}"


def _problems(result: Mapping[str, Any], world: ShardWorld) -> Iterator[str]:
    prompt = json.loads(result["Input"])["config"]["prompt"]
    is_billed = world.batch_provider.by_prompt[prompt]
    if result["Status"] == "FAILED":
        if result["Error"] not in ERRORS_BY_CODE:
            yield f"{prompt} ended in {result['Error']}, which is no error of the contract"
        if not world.faults and "[" not in prompt:
            yield f"nothing struck, and {prompt} ended in {result['Error']}"
        return
    meta = json.loads(result["Output"])["_meta_"]
    if not is_billed or world.storage.objects[meta["key"]].body != world.batch_provider.pictures[prompt]:
        yield f"the answer for {prompt} leads to no picture that was bought"


def lost(world: ShardWorld) -> Iterator[str]:
    """Yield the pictures that were billed and are not among the results."""
    for result in world.results:
        prompt = json.loads(result["Input"])["config"]["prompt"]
        # A direct call after the results may have bought a released picture.
        if result["Status"] == "FAILED" and world.batch_provider.by_prompt[prompt]:
            metas = [call["_meta_"] for call in world.direct if isinstance(call, Mapping)]
            if not any(meta["prompt"] == prompt and not meta["replayed"] for meta in metas):
                yield f"{prompt} is billed and ended in {result['Error']}: {result['Cause']}"


def _broken_budget(world: ShardWorld) -> Iterator[str]:
    ledgers = world.ledgers()
    settled = sum(ledger.settled for ledger in ledgers)
    if any(ledger.open for ledger in ledgers):
        yield "a reservation is left open"
    if settled < HALF_COST * sum(world.batch_provider.by_prompt.values()):
        yield f"{settled} is settled, and less than what was billed"
    is_disturbed = bool(world.faults) or any("[" in prompt for prompt in world.prompts)
    if not is_disturbed and settled != HALF_COST * sum(world.batch_provider.by_prompt.values()):
        yield f"nothing struck, and {settled} is settled"


def following(world: ShardWorld, after: Fault | None, disturbed: int) -> Iterator[Fault]:
    """Yield every fault that can strike a call of this world after ``after``."""
    for invocation, end in enumerate(world.ends[:disturbed]):
        for position, name in enumerate(end.calls):
            here = (invocation, position)
            if after and here < (after.invocation, after.position + (after.kind is not Kind.UNREACHABLE)):
                continue
            for kind in SHARD_KINDS[name]:
                yield Fault(*here, kind)
