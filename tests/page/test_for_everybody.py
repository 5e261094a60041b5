"""Light and dark, phone and keyboard, eye and ear."""

from typing import Literal

import pytest
from playwright.sync_api import Page, expect

from local.openai_stand_in import StandIn
from tests.page.browser import serious_findings
from tests.page.visit import SUBMIT, Visit

PROMPT = "Un faro"
MOST_TABS = 40


def assert_for_everybody(page: Page) -> None:
    assert serious_findings(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.parametrize("width", [320, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_state_of_the_page_shuts_anybody_out(
    visit: Visit, stand_in: StandIn, scheme: Literal["light", "dark"], width: int
) -> None:
    visit.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    visit.page.set_viewport_size({"width": width, "height": 800})
    assert_for_everybody(visit.page)
    visit.order(PROMPT)
    visit.see_picture(PROMPT)
    visit.page.get_by_text("The answer", exact=True).click()
    expect(visit.page.get_by_role("button", name=PROMPT)).to_be_visible()
    assert_for_everybody(visit.page)
    stand_in.latency = 2
    visit.submit()
    expect(visit.page.get_by_role("button", name="Stop waiting")).to_be_visible()
    assert_for_everybody(visit.page)
    visit.see_picture(PROMPT)
    visit.order("")
    visit.see_problem("InvalidRequestError")
    assert_for_everybody(visit.page)
    assert len(visit.take_complaints()) == 1


def test_a_picture_is_ordered_and_opened_by_keyboard_alone(visit: Visit) -> None:
    page = visit.page
    tab_to(page, "#prompt")
    page.keyboard.press("Control+A")
    page.keyboard.type(PROMPT)
    tab_to(page, "#submit")
    expect(page.get_by_role("button", name=SUBMIT)).to_be_focused()
    page.keyboard.press("Enter")
    visit.see_picture(PROMPT)
    tab_to(page, "#again")
    page.keyboard.press("Space")
    expect(visit.badge("replayed")).to_be_visible()
    expect(page.get_by_role("region", name="The picture")).to_be_focused()
    tab_to(page, "#link")
    with page.expect_popup() as opened:
        page.keyboard.press("Enter")
    opened.value.close()
    tab_to(page, "#frames button")
    page.keyboard.press("Enter")
    expect(visit.badge("found by GET")).to_be_visible()
    expect(page.get_by_role("region", name="The picture")).to_be_focused()


def tab_to(page: Page, selector: str) -> None:
    """Press Tab until the focus is there, and see that it shows."""
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        assert focused.evaluate("(element) => getComputedStyle(element).outlineStyle") != "none"
        if focused.evaluate("(element, selector) => element.matches(selector)", selector):
            return
    pytest.fail(f"{selector} is not reached by Tab")
