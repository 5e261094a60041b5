"""A shard of a batch: its child execution, and the promises that must hold under every schedule of faults."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from generate_image.errors import ERRORS_BY_CODE, InternalError
from generate_image.functions import batch_shards, generate_image
from generate_image.functions.batch_shards import PARTS, Parts
from generate_image.money import MicroUsd
from tests.proof.faults import KilledError
from tests.proof.provider import BatchProvider
from tests.proof.world import End, World

PROMPTS = ("a lighthouse", "a quay")
POLL_SECONDS = 300
MOST_STEPS = 150
REDRIVES = 3
HALF_COST = MicroUsd(-(-(9 * 5 + 439 * 30) // 2))
SHARD_SECONDS = 900.0
DIRECT_SECONDS = 60.0
LATE_SECONDS = 400.0
"""A submission that takes effect late does so after the first search for it."""


def item_of(prompt: str) -> dict[str, Any]:
    """Return the event of an item, as prepare_list writes it."""
    return {
        "client_id": 1,
        "config": {"credentials_id": "credencial-openai", "prompt": prompt},
        "idempotency_key": f"list/{prompt}",
    }


def prompt_of(result: Mapping[str, Any]) -> str:
    """Return the prompt of the item of a result."""
    prompt: str = json.loads(result["Input"])["config"]["prompt"]
    return prompt


@dataclass
class ShardWorld(World):
    """One shard. batch_faults: of the next batches, by name. parts: the classes of the function.

    execution: its name. is_direct: whether pictures are also requested directly, during the batch and after it.
    """

    provider: BatchProvider
    prompts: Sequence[str] = PROMPTS
    batch_faults: Sequence[str] = ()
    parts: Parts = PARTS
    execution: str = "run"
    is_direct: bool = True

    disturbed = 7  # undisturbed it has five invocations

    def __post_init__(self) -> None:
        super().__post_init__()
        self.environ = {"IMAGE_MODELS": "gpt-image-2.6-flare", **self.environ}
        self.provider.start(self.meet, self.clock)
        self.provider.batches.faults.extend(self.batch_faults)
        self.items = [item_of(prompt) for prompt in self.prompts]
        self.item_results: list[dict[str, Any]] = []
        self.direct: list[BaseException | Mapping[str, Any]] = []
        self._late_calls: list[tuple[float, Callable[[], object]]] = []

    def run(self) -> "ShardWorld":
        """Run the child execution to its end, with redrives and direct calls for one of its pictures."""
        step, redrives, has_called = "submit", 0, False
        shards: list[str] = []
        for _ in range(MOST_STEPS):
            end = self._step(step, shards)
            if end.answer is None:
                if not isinstance(end.error, KilledError) and not getattr(end.error, "retryable", False):
                    redrives += 1
                    if redrives > REDRIVES:
                        break
                self.clock.pass_by(30.0)
                continue
            step, shards = end.answer["next"], end.answer["shards"]
            if step == "done":
                self.item_results = list(self._read(end.answer["results"]))
                if self.is_direct:
                    self.direct += [self._call_directly(prompt) for prompt in self.prompts]
                break
            if end.answer["seconds"]:
                if self.is_direct and not has_called:
                    has_called = True
                    self.direct.append(self._call_directly(self.prompts[0]))
                self.clock.pass_by(end.answer["seconds"])
        return self

    def _step(self, step: str, shards: Sequence[str]) -> End:
        due = [call for moment, call in self._late_calls if moment <= self.clock.now]
        self._late_calls = [(moment, call) for moment, call in self._late_calls if moment > self.clock.now]
        for call in due:
            call()
        event = {"step": step, "execution": self.execution, "items": self.items, "poll_seconds": POLL_SECONDS}
        build = partial(batch_shards.build, parts=self.parts)
        end = self.invoke(build, {**event, "shards": shards}, SHARD_SECONDS)
        self._late_calls += [(self.clock.now + LATE_SECONDS, call) for call in self.provider.late]
        self.provider.late.clear()
        if end.died:
            end = end._replace(answer=None, error=KilledError())
        self.ends.append(end)
        return end

    def _call_directly(self, prompt: str) -> BaseException | Mapping[str, Any]:
        """Request the picture of an item at the standard price, undisturbed."""
        faults, self.faults = self.faults, ()
        end = self.invoke(generate_image.build, item_of(prompt), DIRECT_SECONDS)
        self.faults = faults
        return end.error or end.answer or {}

    def _read(self, files: Mapping[str, Sequence[Mapping[str, str]]]) -> Iterator[dict[str, Any]]:
        for file in (file for of_status in files.values() for file in of_status):
            for line in self.storage.objects[file["Key"]].body.splitlines():
                yield json.loads(line)

    def results(self) -> Counter[str]:
        return Counter(result.get("Error", "picture") for result in self.item_results)

    def errors(self) -> list[str | None]:
        """Return the error of each item, in their order; None for a picture."""
        by_place = {int(result["Name"].rpartition("/")[2]): result.get("Error") for result in self.item_results}
        return [by_place[place] for place in sorted(by_place)]

    def violations(self) -> Iterator[str]:
        yield from self.broken_promises()
        yield from self.lost_pictures()
        if not self.faults:
            yield from (f"nothing struck, and an item ended in {error}" for error in self.errors() if error)
            if "MONTHLY_BUDGET_USD" in self.environ and self._settled() != self._billed():
                yield f"nothing struck, {self._billed()} is billed and {self._settled()} is settled"

    def broken_promises(self) -> Iterator[str]:
        """Yield the broken promises that hold also where the provider refuses pictures or loses them."""
        billed = self.provider.by_prompt.items()
        yield from (f"{prompt} is billed {count} times" for prompt, count in billed if count > 1)
        if self.provider.live() > 1:
            yield f"{self.provider.live()} batches are alive"
        for number, end in enumerate(self.ends):
            if end.went_on or isinstance(end.error, InternalError):
                yield f"invocation {number} ended in {end.error!r}, or went on after its death"
        if not self.item_results:
            yield f"the execution did not end: {[type(end.error).__name__ for end in self.ends[-5:]]}"
        if sorted(result["Input"] for result in self.item_results) != sorted(map(json.dumps, self.items)):
            yield "not every item has one result"
        for result in self.item_results:
            yield from self._problems(result)
        statuses = [record["status"] for record in self.records()]
        if not {*statuses} <= {"stored", "failed", "released"}:
            yield f"a record is left {statuses}"
        if any(ledger.open for ledger in self.ledgers()):
            yield "a reservation is left open"
        if "MONTHLY_BUDGET_USD" in self.environ and self._settled() < self._billed():
            yield f"{self._settled()} is settled and {self._billed()} is billed"

    def _problems(self, result: Mapping[str, Any]) -> Iterator[str]:
        if result["Status"] == "FAILED":
            if result["Error"] not in ERRORS_BY_CODE:
                yield f"an item ended in {result['Error']}, which is no error of the contract"
            return
        key, prompt = json.loads(result["Output"])["_meta_"]["key"], prompt_of(result)
        is_billed = self.provider.by_prompt[prompt]
        if not is_billed or self.storage.objects[key].body != self.provider.pictures[prompt]:
            yield f"the answer for {prompt} leads to no picture that was bought"

    def lost_pictures(self) -> Iterator[str]:
        """Yield the pictures that were billed and are not among the results."""
        # A direct call after the results may have bought a released picture.
        metas = [call["_meta_"] for call in self.direct if isinstance(call, Mapping)]
        bought = {meta["prompt"] for meta in metas if not meta["replayed"]}
        for result in self.item_results:
            prompt = prompt_of(result)
            if result["Status"] == "FAILED" and self.provider.by_prompt[prompt] and prompt not in bought:
                yield f"{prompt} is billed and ended in {result['Error']}: {result['Cause']}"

    def _settled(self) -> int:
        return sum(ledger.settled for ledger in self.ledgers())

    def _billed(self) -> int:
        return HALF_COST * self.provider.by_prompt.total()
