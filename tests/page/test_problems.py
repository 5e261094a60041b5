"""A problem is shown with its code, its field, and the way on."""

from typing import Any

import pytest
from playwright.sync_api import expect

from local.openai_stand_in import StandIn
from tests.page.visit import SUBMIT, Visit

pytestmark = pytest.mark.slow
PROMPT = "Un faro"
RATE_LIMITED: dict[str, Any] = {
    "status": 429,
    "headers": {"Content-Type": "application/problem+json", "Retry-After": "600"},
    "body": '{"title": "Too Many Requests", "detail": "Wait.", "code": "RateLimitedError", "retryable": true}',
}
BUDGET = {"MONTHLY_BUDGET_USD": "0.02", "MAX_PICTURE_USD": "0.0132", "IMAGE_MODELS": "gpt-image-2.6-flare"}


def test_rejected_prompt_shows_why_and_the_next_has_a_new_key(visit: Visit, stand_in: StandIn) -> None:
    visit.send("[moderation_blocked]")
    problem = visit.see_problem("ContentRejectedError", "status of 422")
    expect(problem).to_contain_text("violence")
    expect(problem).to_contain_text(stand_in.ledger()["recent"][0]["request_id"])
    expect(problem.get_by_role("button", name="Send again")).to_be_hidden()
    rejected = visit.sent_key()
    visit.send(PROMPT)
    visit.see_picture(PROMPT)
    assert visit.sent_key() != rejected
    visit.see_kept("ready", "ContentRejectedError")


def test_browser_refuses_a_wrong_field(visit: Visit, stand_in: StandIn) -> None:
    visit.unfold("More fields of the event")
    for label, wrong in [("Client", "a/b"), ("Idempotency key", "pedido-ñ"), ("JSON", '{"data": '), ("JSON", "[]")]:
        right = visit.field(label).input_value()
        visit.field(label).fill(wrong)
        visit.press(SUBMIT)
        expect(visit.field(label)).to_be_focused()
        visit.field(label).fill(right)
    assert stand_in.ledger()["requests"] == 0


def test_problem_marks_its_field(visit: Visit) -> None:
    visit.field("Idempotency key").fill("used")
    visit.send(PROMPT)
    visit.see_picture(PROMPT)
    for label, wrong, code, status in [
        ("Credential", "sk/x", "InvalidRequestError", "400"),
        ("Credential", "unknown", "CredentialsError", "400"),
        ("Size", "100x100", "InvalidRequestError", "400"),
        ("Prompt", "", "InvalidRequestError", "400"),
        ("Idempotency key", "used", "IdempotencyKeyReusedError", "422"),
    ]:
        right = visit.field(label).input_value()
        visit.field("Prompt").fill("Otro faro")
        visit.field(label).evaluate("(field, text) => { field.value = text }", wrong)  # it may be folded up
        visit.press(SUBMIT)
        visit.see_problem(code, f"status of {status}")
        expect(visit.page.locator("[aria-invalid=true]")).to_have_count(1)
        expect(visit.field(label)).to_have_attribute("aria-invalid", "true")
        expect(visit.field(label)).to_be_visible()
        visit.field(label).fill(right)


def test_retryable_problem_is_sent_again_after_its_time(visit: Visit, stand_in: StandIn) -> None:
    visit.page.clock.install()
    visit.open()
    # The state machine would retry for a long time before it reports such a problem.
    visit.page.route("**/images", lambda route: route.fulfill(**RATE_LIMITED), times=1)
    visit.send(PROMPT)
    retry = visit.see_problem("RateLimitedError", "status of 429").get_by_role("button", name="Send again")
    expect(visit.page.get_by_text("in 600 s (Retry-After)")).to_be_visible()
    expect(retry).to_be_disabled()
    visit.page.clock.fast_forward("10:01")
    expect(retry).to_be_enabled()
    key = visit.key()
    retry.click()
    visit.see_picture(PROMPT)
    assert visit.sent_key() == key
    assert stand_in.ledger()["billed"] == 1


def test_lost_server_leaves_the_request_open(visit: Visit, stand_in: StandIn) -> None:
    visit.page.context.set_offline(offline=True)
    visit.send(PROMPT)
    expect(visit.page.get_by_role("article")).to_contain_text("The API did not respond")
    visit.see_kept("in progress")
    visit.page.context.set_offline(offline=False)
    visit.see_kept("ready")
    visit.press("Send again")
    visit.see_picture(PROMPT)
    assert stand_in.ledger()["billed"] == 1
    assert all("ERR_INTERNET_DISCONNECTED" in complaint for complaint in visit.complaints)  # perhaps the icon's, too
    visit.complaints.clear()


@pytest.mark.parametrize("url", [BUDGET], indirect=True)
def test_budget_is_shown_and_refuses_the_next_picture(visit: Visit) -> None:
    budget = visit.page.locator("#budget")
    expect(budget).to_be_hidden()
    visit.send(PROMPT)
    expect(budget).to_contain_text("0.0132 of 0.0200 USD are spent, 0.0000 reserved, 0.0068 left.")
    visit.send("Un gato")
    visit.see_problem("BudgetExceededError", "404", "402")  # no budget before the first picture
    visit.field("Client").fill("2")
    visit.field("Client").blur()
    expect(budget).to_be_hidden()
    assert "404" in visit.complaints.pop()
