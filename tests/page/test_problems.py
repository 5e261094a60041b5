"""A problem is shown with its code, its field, and the way on."""

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from local.openai_stand_in import StandIn
from tests.page.visit import Visit

pytestmark = pytest.mark.slow
PROMPT = "Un faro"
RATE_LIMITED: dict[str, Any] = {
    "status": 429,
    "headers": {"Content-Type": "application/problem+json", "Retry-After": "600"},
    "body": '{"title": "Too Many Requests", "detail": "Wait.", "code": "RateLimitedError", "retryable": true}',
}


def test_moderation_shows_categories_and_request_id(visit: Visit, stand_in: StandIn) -> None:
    visit.send("[moderation_blocked]")
    problem = visit.see_problem("ContentRejectedError")
    expect(problem).to_contain_text("violence")
    expect(problem).to_contain_text(stand_in.ledger()["recent"][0]["request_id"])
    expect(problem.get_by_role("button", name="Send again")).to_be_hidden()
    assert "status of 422" in visit.take_complaints()[0]


@pytest.mark.parametrize(
    ("label", "value", "note"),
    [
        ("Prompt", " ", "Write a prompt."),
        ("Client", "a/b", "1 to 64 letters"),
        ("Idempotency key", "pedido-ñ", "ASCII"),
        ("JSON", '{"data": ', "Not JSON"),
        ("JSON", "[]", "Not a JSON object"),
    ],
)
def test_page_finds_a_wrong_field_before_sending(
    visit: Visit, stand_in: StandIn, label: str, value: str, note: str
) -> None:
    visit.page.get_by_text("More fields of the event").click()
    visit.field(label).fill(value)
    visit.submit()
    expect(visit.field(label)).to_have_accessible_description(re.compile(re.escape(note)))
    expect(visit.field(label)).to_have_attribute("aria-invalid", "true")
    expect(visit.field(label)).to_be_focused()
    assert stand_in.ledger()["requests"] == 0


@pytest.mark.parametrize(("value", "code"), [("sk/x", "InvalidRequestError"), ("unknown", "CredentialsError")])
def test_problem_marks_its_field(visit: Visit, value: str, code: str) -> None:
    visit.field("Credential").fill(value)
    visit.send(PROMPT)
    visit.see_problem(code)
    expect(visit.field("Credential")).to_have_attribute("aria-invalid", "true")
    visit.field("Credential").fill("credencial-openai")
    visit.send(PROMPT)
    visit.see_picture(PROMPT)
    expect(visit.page.locator("[aria-invalid]")).to_have_count(0)
    assert "status of 400" in visit.take_complaints()[0]


def test_wrong_option_is_marked(visit: Visit) -> None:
    visit.page.get_by_text("Options of the picture").click()
    visit.page.get_by_label("Size").fill("100x100")
    visit.page.get_by_text("Options of the picture").click()
    visit.send(PROMPT)
    visit.see_problem("InvalidRequestError")
    expect(visit.page.get_by_label("Size")).to_be_visible()
    expect(visit.page.get_by_label("Size")).to_have_attribute("aria-invalid", "true")
    assert "status of 400" in visit.take_complaints()[0]


def test_reused_key_marks_the_key(visit: Visit) -> None:
    visit.field("Idempotency key").fill("pedido-1")
    visit.send(PROMPT)
    visit.see_picture(PROMPT)
    visit.page.get_by_label("Prompt").fill("Otro faro")
    visit.field("Idempotency key").fill("pedido-1")
    visit.submit()
    visit.see_problem("IdempotencyKeyReusedError")
    expect(visit.field("Idempotency key")).to_have_attribute("aria-invalid", "true")
    assert "status of 422" in visit.take_complaints()[0]


def test_retryable_problem_is_sent_again_after_its_time(visit: Visit, stand_in: StandIn) -> None:
    visit.page.clock.install()
    visit.open()
    # The state machine would retry for a long time before it reports such a problem.
    visit.page.route("**/images", lambda route: route.fulfill(**RATE_LIMITED), times=1)
    visit.send(PROMPT)
    problem = visit.see_problem("RateLimitedError")
    retry = problem.get_by_role("button", name="Send again")
    expect(problem).to_contain_text("(Retry-After)")
    expect(retry).to_be_disabled()
    visit.page.clock.fast_forward("10:01")
    expect(retry).to_be_enabled()
    key = visit.key()
    retry.click()
    visit.see_picture(PROMPT)
    assert visit.sent_keys() == [key]
    assert stand_in.ledger()["billed"] == 1
    assert "status of 429" in visit.take_complaints()[0]


def test_lost_server_leaves_the_request_open(visit: Visit, stand_in: StandIn) -> None:
    visit.page.context.set_offline(True)
    visit.send(PROMPT)
    problem = visit.see_problem("No connection to the server")
    expect(problem).to_contain_text("Is “make serve” still running?")
    expect(visit.kept()).to_have_text([re.compile("in progress$")])
    visit.page.context.set_offline(False)
    expect(visit.kept()).to_have_text([re.compile("ready$")])
    problem.get_by_role("button", name="Send again").click()
    visit.see_picture(PROMPT)
    assert stand_in.ledger()["billed"] == 1
    complaints = visit.take_complaints()  # of the request, of the list, and perhaps of the icon
    assert complaints
    assert all("ERR_INTERNET_DISCONNECTED" in complaint for complaint in complaints)
