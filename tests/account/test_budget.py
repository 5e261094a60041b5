"""Budgets of several clients in one account."""

import pytest

from generate_image.errors import BudgetExceededError
from local.account import BUCKET, Account
from local.openai_stand_in import StandIn
from tests.events import event_for
from tests.module import Module


def buy(module: Module, client_id: str, key: str) -> bool:
    """Return whether the answer is a replay."""
    event = event_for("Un faro", client_id=client_id, idempotency_key=key)
    replayed: bool = module.invoke(event)["_meta_"]["replayed"]
    return replayed


def test_limit_holds_for_its_client_until_it_is_raised(account: Account, stand_in: StandIn) -> None:
    """The client acme has a limit of one picture in its own secret."""
    stand_in.dall_e_3 = True
    account.create_secret({"apiKey": stand_in.api_key})
    account.create_secret({"apiKey": stand_in.api_key, "monthlyBudgetUsd": "0.04"}, owner="cli_acme")
    module = Module(account, stand_in, IMAGE_MODELS="dall-e-3")

    assert [buy(module, "other", key) for key in ("one", "two")] == [False, False]
    assert not buy(module, "acme", "one")
    with pytest.raises(BudgetExceededError):
        buy(module, "acme", "two")
    assert buy(module, "acme", "one"), "a replay is free"
    listed = module.s3.list_objects_v2(Bucket=BUCKET, Prefix="budgets/")["Contents"]
    assert [item["Key"].split("/")[1] for item in listed] == ["cli_acme"]

    module.restart(MONTHLY_BUDGET_USD="0.04")
    buy(module, "another", "one")
    with pytest.raises(BudgetExceededError):
        buy(module, "another", "two")
    module.restart(MONTHLY_BUDGET_USD="0.08")
    assert not buy(module, "another", "two")
    assert stand_in.ledger()["billed"] == 5
