"""Budgets of several clients in one account."""

import pytest

from generate_image.errors import BudgetExceededError, CredentialsError
from local.account import BUCKET, Account
from local.openai_stand_in import StandIn
from tests.events import event_for
from tests.module import Module

PROMPT = "Un faro"


@pytest.fixture
def module(account: Account, stand_in: StandIn) -> Module:
    """The client acme has a limit of one picture in its own secret. The others have none."""
    stand_in.dall_e_3 = True
    account.create_secret({"apiKey": stand_in.api_key})
    account.create_secret({"apiKey": stand_in.api_key, "monthlyBudgetUsd": "0.04"}, owner="cli_acme")
    account.create_secret({"apiKey": stand_in.api_key, "monthlyBudgetUsd": "4 USD"}, owner="cli_typo")
    return Module(account, stand_in, IMAGE_MODELS="dall-e-3")


def buy(module: Module, client_id: str, key: str) -> bool:
    """Return whether the answer is a replay."""
    event = event_for(PROMPT, client_id=client_id, idempotency_key=key)
    replayed: bool = module.invoke(event)["_meta_"]["replayed"]
    return replayed


def ledgers(module: Module) -> list[str]:
    listed = module.s3.list_objects_v2(Bucket=BUCKET, Prefix="budgets/")
    return [item["Key"].split("/")[1] for item in listed.get("Contents", [])]


def test_client_with_a_limit_does_not_limit_the_others(module: Module) -> None:
    buy(module, "acme", "one")
    with pytest.raises(BudgetExceededError):
        buy(module, "acme", "two")

    assert [buy(module, "other", key) for key in ("one", "two")] == [False, False]
    assert ledgers(module) == ["cli_acme"]


def test_replay_above_the_limit_is_free(module: Module) -> None:
    buy(module, "acme", "one")

    assert buy(module, "acme", "one")
    assert module.stand_in.ledger()["billed"] == 1


def test_refused_key_buys_after_the_limit_is_raised(module: Module) -> None:
    module.restart(MONTHLY_BUDGET_USD="0.04")
    buy(module, "other", "one")
    with pytest.raises(BudgetExceededError):
        buy(module, "other", "two")

    module.restart(MONTHLY_BUDGET_USD="0.08")
    assert not buy(module, "other", "two")


def test_malformed_limit_is_named_and_buys_nothing(module: Module, stand_in: StandIn) -> None:
    with pytest.raises(
        CredentialsError, match=r"monthlyBudgetUsd .* must be an amount in US dollars such as 25 or 12.50"
    ):
        buy(module, "typo", "one")
    assert stand_in.ledger()["requests"] == 0
