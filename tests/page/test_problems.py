"""What goes wrong is shown as what it is, with what can be done about it."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, expect

from local.openai_stand_in import StandIn
from tests.page.visit import Visit

PROMPT = "Un faro"


@pytest.fixture
def impatient(context: BrowserContext, url_without_retries: str) -> Iterator[Visit]:
    """The page before an API that retries nothing, by a clock that can be put forward."""
    visit = Visit(context.new_page(), url_without_retries)
    visit.page.clock.install()
    visit.open()
    yield visit
    assert visit.complaints == []


def test_a_moderation_is_told_with_its_categories(visit: Visit, stand_in: StandIn) -> None:
    stand_in.script("moderation_blocked")
    visit.order(PROMPT)
    problem = visit.see_problem("ContentRejectedError")
    expect(problem).to_be_focused()
    facts = problem.locator("dl div").all_inner_texts()
    assert [fact.split("\n")[:2] for fact in facts][:3] == [
        ["code", "ContentRejectedError"],
        ["status", "422"],
        ["retryable", "no"],
    ]
    assert facts[3].startswith("categories")
    expect(problem.get_by_role("button", name="Try again")).to_be_hidden()
    [complaint] = visit.take_complaints()
    assert "status of 422" in complaint


def test_what_is_wrong_with_a_request_is_told_at_the_fields(visit: Visit) -> None:
    visit.field("Credential").fill("../shared")
    visit.order(" ")
    problem = visit.see_problem("InvalidRequestError")
    expect(problem.get_by_role("listitem")).to_have_count(2)
    for label, words in {
        "Prompt": "must be a string that is not blank",
        "Credential": "must be a secret's name",
    }.items():
        expect(visit.field(label)).to_have_attribute("aria-invalid", "true")
        expect(visit.field(label)).to_have_accessible_description(re.compile(words))
    visit.field("Credential").fill("credencial-openai")
    visit.order(PROMPT)
    visit.see_picture(PROMPT)
    expect(visit.page.locator("[aria-invalid]")).to_have_count(0)
    [complaint] = visit.take_complaints()
    assert "status of 400" in complaint


def test_a_key_reused_for_another_order_is_told(visit: Visit) -> None:
    visit.field("Idempotency key").fill("pedido-1")
    visit.order(PROMPT)
    visit.see_picture(PROMPT)
    visit.page.get_by_label("Prompt").fill("Otro faro")
    visit.field("Idempotency key").fill("pedido-1")
    visit.submit()
    visit.see_problem("IdempotencyKeyReusedError")
    [complaint] = visit.take_complaints()
    assert "status of 422" in complaint


def test_what_passes_can_be_tried_again_when_its_time_has_come(impatient: Visit, stand_in: StandIn) -> None:
    stand_in.script("rate_limit_retry_after", retry_after=600)
    impatient.order(PROMPT)
    problem = impatient.see_problem("RateLimitedError")
    retry = problem.get_by_role("button", name="Try again")
    expect(problem).to_contain_text("Retry-After: in ")
    expect(retry).to_be_disabled()
    impatient.page.clock.fast_forward("10:01")
    expect(retry).to_be_enabled()
    key = impatient.key()
    retry.click()
    impatient.see_picture(PROMPT)
    assert impatient.ordered_keys() == [key]
    assert stand_in.ledger()["billed"] == 1
    [complaint] = impatient.take_complaints()
    assert "status of 429" in complaint


def test_a_server_that_is_gone_is_told_and_trying_again_buys_once(visit: Visit, stand_in: StandIn) -> None:
    visit.page.context.set_offline(True)
    visit.order(PROMPT)
    problem = visit.see_problem("The server cannot be reached")
    expect(problem).to_contain_text("Is “make serve” still running?")
    visit.page.context.set_offline(False)
    problem.get_by_role("button", name="Try again").click()
    visit.see_picture(PROMPT)
    assert stand_in.ledger()["billed"] == 1
    complaints = visit.take_complaints()  # of the order, and of the icon where that was still on its way
    assert complaints
    assert all("ERR_INTERNET_DISCONNECTED" in complaint for complaint in complaints)
