"""Light and dark, narrow and wide, keyboard and screen reader."""

from importlib.resources import files
from threading import Event
from typing import Literal

import pytest
from playwright.sync_api import Page, expect

from local.openai_stand_in import StandIn
from tests.page.visit import SUBMIT, Visit

pytestmark = pytest.mark.slow
AXE = (files("axe_playwright_python") / "axe.min.js").read_text("utf-8")
FINDINGS = "axe.run().then(({violations}) => violations.map(({id, nodes}) => [id, nodes[0].html]))"
PROMPT = "Un faro"
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


def assert_accessible(page: Page) -> None:
    """Assert that axe-core finds nothing, and that nothing is wider than the window."""
    for scheme in SCHEMES:
        for width in (320, 1400):
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate(FINDINGS) == []
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_every_state_is_accessible(visit: Visit, stand_in: StandIn, drawing: Event) -> None:
    visit.page.evaluate(AXE)
    visit.unfold("Options of the picture", "More fields of the event")
    assert_accessible(visit.page)
    visit.send(PROMPT, wait=0)
    visit.see_waiting()
    assert_accessible(visit.page)
    drawing.set()
    visit.see_picture(PROMPT)
    visit.unfold("Response body")
    assert_accessible(visit.page)
    stand_in.script("insufficient_quota")
    visit.field("Size").fill("x" * 100)
    visit.send("Otro faro " * 40)
    visit.see_problem("InvalidRequestError", "400")
    assert_accessible(visit.page)


def test_picture_is_made_and_opened_by_keyboard(visit: Visit, drawing: Event) -> None:
    page = visit.page
    tab_to(page, "[name='config.prompt']")
    page.keyboard.press("Control+A")
    page.keyboard.type(PROMPT)
    page.keyboard.press("Control+Enter")
    visit.see_waiting()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name=SUBMIT)).to_be_focused()
    drawing.set()
    visit.see_kept("ready")
    tab_to(page, "#requests button")
    page.keyboard.press("Enter")
    visit.see_fact("Origin", "bought before, read again")
    expect(page.get_by_role("region", name="The result")).to_be_focused()
    tab_to(page, ".main", "Shift+Tab")
    page.keyboard.press("Space")
    visit.see_fact("Origin", "replayed: nothing was bought")


def tab_to(page: Page, selector: str, key: str = "Tab") -> None:
    """Press Tab until an element has the focus; assert that the focus is visible on the way."""
    focused = page.locator(":focus")
    for _ in range(40):
        page.keyboard.press(key)
        assert focused.evaluate("(element) => getComputedStyle(element).outlineStyle") != "none"
        if focused.evaluate("(element, selector) => element.matches(selector)", selector):
            return
    pytest.fail(f"Tab does not reach {selector}")
