"""Under every fault, settled + reserved stays within the limit and never falls below the provider's bill."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, cast

import pytest

from generate_image.aws.ledger import Ledger, LedgerStore
from generate_image.budget import Budget
from generate_image.errors import BudgetExceededError
from generate_image.functions import generate_image
from generate_image.functions._runtime import AwsClients, Environment, with_boundary
from generate_image.functions.generate_image import PARTS, Parts
from generate_image.money import MicroUsd
from generate_image.record import Record
from generate_image.settings import Settings
from local.lambda_context import LocalContext
from tests.events import event_for
from tests.memory_s3 import Clock, MemoryS3
from tests.proof.provider import CountingProvider
from tests.proof.schedules import COST, check, run
from tests.proof.world import LOG

DIALECTS = ("base64", "url")
ENVIRON = {"MONTHLY_BUDGET_USD": "1", "MAX_PICTURE_USD": "0.04"}
PAIRS = 100
"""For each dialect, in the fast tier."""


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("sample", [PAIRS, pytest.param(None, marks=pytest.mark.slow)])
def test_faults_keep_the_budget(
    provider: CountingProvider, dialect: str, sample: int | None, capsys: pytest.CaptureFixture[str]
) -> None:
    report = check(provider, by_url=dialect == "url", sample=sample, environ=ENVIRON)
    with capsys.disabled():
        print(f"\n{report.schedules:,} schedules of a response by {dialect} under a budget", end="")  # noqa: T201  # the proof
    assert report.violations == []


@pytest.mark.parametrize("by_url", [False, True], ids=DIALECTS)
def test_buy_again_counts_each_purchase(provider: CountingProvider, by_url: bool) -> None:  # noqa: FBT001
    report = check(provider, by_url=by_url, sample=0, environ=ENVIRON | {"WHEN_OUTCOME_UNKNOWN": "buy-again"})
    expected = ("billed 2 times", "billed 3 times")
    assert [violation for violation in report.violations if not violation.endswith(expected)] == []


def test_replay_touches_no_ledger(provider: CountingProvider) -> None:
    world = run(provider, by_url=False, environ=ENVIRON)
    _, replay, *_ = world.ends
    assert [call for call in replay.calls if "object" in call] == ["get_object", "head_object"]


def test_budget_costs_three_reads_and_two_writes(provider: CountingProvider) -> None:
    under_budget, without = (
        Counter(run(provider, by_url=False, environ=environ).ends[0].calls) for environ in (ENVIRON, {})
    )
    assert under_budget - without == {"get_object": 3, "put_object if": 2}
    assert without - under_budget == {}


class SettleBeforeStore(Budget):
    """Settles the expected cost when the purchase starts."""

    def reserve(self, new: Record, limit: MicroUsd) -> None:
        super().reserve(new, limit)
        self._close(new, COST["base64"], new.holder)


class FreeUnknown(Budget):
    """Frees the reservation of a picture that may be billed."""

    def settle_in_full(self, record: Record) -> None:
        self.free(record)


class ReserveForTheInvocation(Budget):
    """Reserves once for each invocation and not once for each picture."""

    def reserve(self, new: Record, limit: MicroUsd) -> None:
        super().reserve(new._replace(image_id=new.holder), limit)


class ReserveNothing(Budget):
    """Checks the limit and sets nothing aside."""

    def reserve(self, new: Record, limit: MicroUsd) -> None:
        super().reserve(new, limit)
        self.free(new)


BREAKS: Mapping[str, tuple[Parts, str]] = {
    "settle before store": (Parts(budget=SettleBeforeStore), "and not in full"),
    "free unknown": (Parts(budget=FreeUnknown), "is counted"),
    "reserve twice for a picture": (Parts(budget=ReserveForTheInvocation), "is counted"),
    "reserve nothing": (Parts(budget=ReserveNothing), "is counted"),
}


@pytest.mark.parametrize("name", BREAKS)
def test_broken_budget_rule_is_detected(name: str, provider: CountingProvider) -> None:
    parts, expected = BREAKS[name]
    report = check(provider, by_url=False, sample=0, environ=ENVIRON, parts=parts)
    assert [violation for violation in report.violations if expected in violation]


class SharedSecret:
    """A Secrets Manager client with one credential for all names."""

    def get_secret_value(self, **_: object) -> dict[str, str]:
        return {"SecretString": json.dumps({"apiKey": "sk-of-the-test"})}


class InterleavedS3(MemoryS3):
    """Runs ``then`` once, after the first read of a ledger."""

    then: Callable[[], object] | None = None

    def get_object(self, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401  # boto3's
        try:
            return super().get_object(**parameters)
        finally:
            if parameters["Key"].startswith("budgets/") and self.then:
                then, self.then = self.then, None
                then()


class WriteWithoutCondition(LedgerStore):
    """Overwrites any ledger."""

    def _put(self, key: str, ledger: Ledger, etag: str) -> None:  # noqa: ARG002  # signature
        self._client.put_object(Bucket=self._bucket, Key=key, Body=ledger.to_json(), ContentType="application/json")


@pytest.mark.parametrize(("parts", "pictures"), [(PARTS, 1), (Parts(ledgers=WriteWithoutCondition), 2)])
def test_interleaved_callers_share_one_limit(provider: CountingProvider, parts: Parts, pictures: int) -> None:
    """The limit is that of one picture. Without the condition on the write, both callers buy."""
    provider.begin(lambda _: None, by_url=True)
    clock = Clock()
    s3 = InterleavedS3(clock)
    environ = {
        "IMAGE_BUCKET": "bucket",
        "IMAGE_NAMESPACE": "6f1c8a52-3f0e-4d0a-9a0b-5a5b1e0c7d11",
        "IMAGE_MODELS": "dall-e-3",
        "OPENAI_BASE_URL": provider.base_url,
        "MONTHLY_BUDGET_USD": "0.04",
    }

    def buy(key: str) -> None:
        environment = Environment(
            settings=Settings.from_mapping(environ),
            log=LOG,
            clients=cast("AwsClients", SimpleNamespace(s3=s3, secrets_manager=SharedSecret())),
            clock=clock,
            sleep=clock.pass_by,
        )
        function = with_boundary(generate_image.build(environment, parts=parts), environment)
        with suppress(BudgetExceededError):
            function(event_for("a lighthouse", idempotency_key=key), LocalContext())

    s3.then = lambda: buy("second")
    buy("first")
    assert len(provider.billed) == pictures
