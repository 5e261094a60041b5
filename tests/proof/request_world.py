"""One request and its replays, and the promises that must hold under every schedule of faults.

A schedule is one request with three replays: one at once (the first invocation may still run), and two after the lease
has expired. Faults strike the first run and the first two replays. The last replay is undisturbed.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from generate_image.errors import ERRORS_BY_CODE, DownloadError, InternalError, OutcomeUnknownError
from generate_image.functions import generate_image
from generate_image.functions._parts import BuyingParts
from generate_image.functions.generate_image import PARTS, Parts
from generate_image.money import MicroUsd, parse_usd
from generate_image.resolution import LONGEST_INVOCATION_SECONDS
from tests.proof.faults import KilledError, Kind
from tests.proof.world import End, World, environment_of

INVOCATION_SECONDS = 60.0
LATER_SECONDS = 600.0
"""More than an invocation and the skew of two clocks: every lease has expired."""
PRICES = {"gpt-image-2.6-flare": MicroUsd(9 * 5 + 439 * 30), "dall-e-3": MicroUsd(40_000)}
"""Of the provider's picture, by its price list."""
EVENT = {
    "client_id": 1,
    "nextModule": "next",
    "config": {"credentials_id": "credencial-openai"},
    "data": {"prompt_image": "a lighthouse", "kept": [1, None]},
    "idempotency_key": "one request",
}


@dataclass
class RequestWorld(World):
    """The world of one request. by_url: whether the model is dall-e-3. parts: the classes of the function."""

    by_url: bool = False
    parts: Parts = PARTS

    disturbed = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        self.model = "dall-e-3" if self.by_url else "gpt-image-2.6-flare"
        self.environ = {"IMAGE_MODELS": self.model, **self.environ}
        self.provider.begin(self.meet, by_url=self.by_url)

    def run(self) -> "RequestWorld":
        """Serve the request and replay it."""
        build = partial(generate_image.build, parts=self.parts)
        for seconds in (0.0, 0.0, LATER_SECONDS, LATER_SECONDS):
            self.clock.pass_by(seconds)
            self.ends.append(self.invoke(build, EVENT, INVOCATION_SECONDS))
        return self

    def results(self) -> Counter[str]:
        last = self.ends[-1]
        return Counter(["picture" if last.answer else type(last.error).__name__])

    def violations(self) -> Iterator[str]:
        first, *_, last = self.ends
        if not self.faults and not first.answer:
            yield f"nothing struck, and it ended in {first.error!r}"
        if len(self.provider.billed) > 1:
            yield f"billed {len(self.provider.billed)} times"
        if set(last.faults) - {Kind.GONE}:
            raise AssertionError("nothing strikes the last replay, or the checks below prove nothing")
        for number, end in enumerate(self.ends):
            for problem in self._problems(end, is_late=number > 1):
                yield f"invocation {number}: {problem}"
        has_asked_for_url = any("GET" in end.calls for end in self.ends)
        kinds = [fault.kind for fault in self.faults]
        is_alone = len(kinds) == 1 and kinds[0] not in {Kind.GONE, Kind.DOWN}  # DOWN: nothing could be kept
        if is_alone and has_asked_for_url and not last.answer:
            yield f"the picture's URL was known, and was lost: {last.error!r}"
        if "MONTHLY_BUDGET_USD" in self.environ:
            yield from self._broken_budget()
        answers = [_lasting(end.answer) for end in self.ends if end.answer]
        if any(answer != answers[0] for answer in answers):
            yield "two answers differ"

    def _problems(self, end: End, *, is_late: bool) -> Iterator[str]:
        if end.went_on:
            yield "went on after its death"
        if end.died != isinstance(end.error, KilledError):
            yield f"died is {end.died}, and its error is {end.error!r}"
        is_named = type(end.error) is ERRORS_BY_CODE.get(type(end.error).__name__)
        if end.error and not end.died and (not is_named or isinstance(end.error, InternalError)):
            yield f"ended in {end.error!r}, which is no error of the contract"
        if end.answer and self.pictures().get(end.answer["_meta_"]["key"]) not in self.provider.billed:
            yield "the answer leads to no picture that was bought"
        if is_late and not set(end.faults) - {Kind.GONE}:
            yield from _problems_at_rest(end)

    def _broken_budget(self) -> Iterator[str]:
        """Yield the broken promises of the budget, before and after open reservations are resolved."""
        limit = parse_usd(self.environ["MONTHLY_BUDGET_USD"])
        billed = PRICES[self.model] * len(self.provider.billed)
        for moment in ("before", "after"):
            if moment == "after":
                self._resolve_reservations()
            totals = [ledger.settled + ledger.reserved for ledger in self.ledgers()]
            counted = sum(totals)
            if counted < billed:
                yield f"{billed} is billed and {counted} is counted {moment} the reservations are resolved"
            if any(total > limit for total in totals):
                yield f"{counted} exceeds the limit of {limit}"
        if any(ledger.open for ledger in self.ledgers()):
            yield "a reservation is left open"
        if not self.faults and counted != billed:
            yield f"nothing struck, {billed} is billed and {counted} is settled"
        is_unknown = isinstance(self.ends[-1].error, OutcomeUnknownError) and billed
        if is_unknown and counted < parse_usd(self.environ["MAX_PICTURE_USD"]):
            yield f"an unknown outcome counts {counted}, and not in full"

    def _resolve_reservations(self) -> None:
        """Resolve the open reservations, undisturbed, after every invocation has ended."""
        self.clock.pass_by(LONGEST_INVOCATION_SECONDS + 1)
        environment = environment_of(self.environ, self.storage, lambda _, effect: effect(), self.clock)
        budget = BuyingParts(environment, self.parts).budget
        for key in [key for key in self.storage.objects if key.startswith("budgets/")]:
            budget.resolve_stale("1", key.rpartition("/")[2].removesuffix(".json"))


def _problems_at_rest(end: End) -> Iterator[str]:
    """Yield the broken promises where no other invocation runs and no fault strikes: the outcome must be saved."""
    if end.was_stored and not end.answer:
        yield f"the picture was in S3, and was not found: {end.error!r}"
    gone = isinstance(end.error, DownloadError) and Kind.GONE in end.faults
    if end.statuses not in (["stored"], ["failed"]) and not gone:
        yield f"the record is left {end.statuses}"
    if not (end.answer or isinstance(end.error, OutcomeUnknownError) or gone):
        yield f"ended in {end.error!r}"


def _lasting(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of an answer that every replay repeats."""
    data = {name: value for name, value in answer["data"].items() if name not in {"imageUrl", "urlPath"}}
    fresh = {"url_expires_at", "replayed"}
    meta = {name: value for name, value in answer["_meta_"].items() if name not in fresh}
    return {**answer, "data": data, "_meta_": meta}
