"""The budget of the client in the form."""

import time
from collections.abc import Iterator
from io import StringIO

import pytest
from playwright.sync_api import expect

from local.account import Account
from local.http_api import http_api
from local.openai_stand_in import StandIn
from local.web_server import web_server
from tests.page.visit import Visit

pytestmark = pytest.mark.slow


@pytest.fixture
def url(account: Account, stand_in: StandIn) -> Iterator[str]:
    """A budget of one picture."""
    account.create_secret({"apiKey": stand_in.api_key})
    budget = {"MONTHLY_BUDGET_USD": "0.02", "MAX_PICTURE_USD": "0.0132", "IMAGE_MODELS": "gpt-image-2.6-flare"}
    settings = {**account.settings, "OPENAI_BASE_URL": stand_in.base_url, **budget}
    with (
        http_api(account, settings, StringIO(), sleep=lambda _: time.sleep(0.01)) as api,
        web_server(api, has_budget=True) as url,
    ):
        yield url


def test_budget_is_shown_and_refuses_the_next_picture(visit: Visit) -> None:
    budget = visit.page.locator("#budget")
    expect(budget).to_be_hidden()
    visit.send("Un faro")
    visit.see_picture("Un faro")
    expect(budget).to_contain_text("0.0132 of 0.0200 USD are spent, 0.0000 reserved, 0.0068 left.")
    visit.send("Un gato")
    visit.see_problem("BudgetExceededError")
    visit.field("Client").fill("2")
    visit.field("Client").blur()
    expect(budget).to_be_hidden()
    assert {"404", "402"} == {part for text in visit.take_complaints() for part in ("402", "404") if part in text}
