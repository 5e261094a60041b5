"""Light and dark, narrow and wide, keyboard and screen reader."""

import re
from importlib.resources import files
from threading import Event
from typing import Literal

import pytest
from playwright.sync_api import Page, expect

from local.openai_stand_in import StandIn
from tests.page.visit import SUBMIT, Visit

pytestmark = pytest.mark.slow
AXE = (files("axe_playwright_python") / "axe.min.js").read_text("utf-8")
PROMPT = "Un faro"
MOST_TABS = 40


def assert_accessible(page: Page) -> None:
    """Assert that axe-core finds nothing, and that nothing is wider than the window."""
    page.evaluate(AXE)
    assert page.evaluate("axe.run().then(({violations}) => violations.map(({id, nodes}) => [id, nodes[0].html]))") == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.parametrize("width", [320, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_state_is_accessible(
    visit: Visit, stand_in: StandIn, drawing: Event, scheme: Literal["light", "dark"], width: int
) -> None:
    visit.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    visit.page.set_viewport_size({"width": width, "height": 800})
    visit.page.get_by_text("More fields of the event").click()
    assert_accessible(visit.page)
    visit.send(PROMPT, wait=0)
    visit.see_waiting()
    assert_accessible(visit.page)
    drawing.set()
    visit.see_picture(PROMPT)
    visit.page.get_by_text("Response body", exact=True).click()
    assert_accessible(visit.page)
    stand_in.script("insufficient_quota")
    visit.send("Otro faro " * 40)
    visit.see_problem("QuotaExhaustedError")
    assert_accessible(visit.page)
    visit.send("")
    assert_accessible(visit.page)
    assert len(visit.take_complaints()) == 1


def test_picture_is_made_and_opened_by_keyboard(visit: Visit, drawing: Event) -> None:
    page = visit.page
    tab_to(page, "#prompt")
    page.keyboard.press("Control+A")
    page.keyboard.type(PROMPT)
    page.keyboard.press("Control+Enter")
    visit.see_waiting()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name=SUBMIT)).to_be_focused()
    drawing.set()
    expect(visit.kept()).to_have_text([re.compile("ready$")])
    tab_to(page, "#requests button")
    page.keyboard.press("Enter")
    expect(visit.fact("Origin")).to_have_text("bought before, read again")
    expect(page.get_by_role("region", name="The result")).to_be_focused()
    tab_to(page, "#again")
    page.keyboard.press("Space")
    expect(visit.fact("Origin")).to_have_text("replayed: nothing was bought")
    expect(page.get_by_role("region", name="The result")).to_be_focused()


def tab_to(page: Page, selector: str) -> None:
    """Press Tab until an element has the focus; assert that the focus is visible on the way."""
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        assert focused.evaluate("(element) => getComputedStyle(element).outlineStyle") != "none"
        if focused.evaluate("(element, selector) => element.matches(selector)", selector):
            return
    pytest.fail(f"Tab does not reach {selector}")
