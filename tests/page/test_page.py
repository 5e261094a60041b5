"""The page as ``make serve`` serves it, in Chromium: requests, problems and accessibility."""

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from importlib.resources import files
from io import StringIO
from itertools import product
from threading import Event
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from local.account import Account
from local.http_api import http_api
from local.openai_stand_in import StandIn
from local.web_server import web_server
from tests.page.visit import SUBMIT, Visit

pytestmark = pytest.mark.slow
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
PROMPT = "Un gato astronauta en la luna"
BUDGET = {"MONTHLY_BUDGET_USD": "0.02", "MAX_PICTURE_USD": "0.0132", "IMAGE_MODELS": "gpt-image-2.6-flare"}
AXE = (files("axe_playwright_python") / "axe.min.js").read_text("utf-8")
FINDINGS = "axe.run().then(({violations}) => violations.map(({id, nodes}) => [id, nodes[0].html]))"


@pytest.fixture(scope="session")
def running_browser() -> Iterator[Browser]:
    executable = next(filter(None, map(shutil.which, CHROMIUM)), None)  # Playwright's own download is not needed
    if executable is None:
        pytest.skip(f"make test-all needs a browser: {', '.join(CHROMIUM)}. Debian: apt-get install chromium")
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=executable) as running:
        yield running


@pytest.fixture
def url(account: Account, stand_in: StandIn, request: pytest.FixtureRequest) -> Iterator[str]:
    """The page's address. An indirect parameter has settings of the functions."""
    account.create_secret({"apiKey": stand_in.api_key})
    settings = account.settings | {"OPENAI_BASE_URL": stand_in.base_url} | getattr(request, "param", {})
    with (
        http_api(account, settings, StringIO(), sleep=lambda _: time.sleep(0.01)) as api,
        web_server(api, has_budget="MONTHLY_BUDGET_USD" in settings) as url,
    ):
        yield url


@pytest.fixture
def open_page(running_browser: Browser, url: str) -> Iterator[Callable[[], Visit]]:
    """Open the page in a new tab. A complaint of the browser that the test does not expect fails it."""
    visits: list[Visit] = []
    permissions = ["clipboard-read", "clipboard-write"]
    with running_browser.new_context(reduced_motion="reduce", permissions=permissions) as context:

        def open_tab() -> Visit:
            visits.append(Visit(context.new_page(), url))
            return visits[-1]

        yield open_tab
    assert [complaint for visit in visits for complaint in visit.complaints] == []


@pytest.fixture
def visit(open_page: Callable[[], Visit]) -> Visit:
    return open_page()


@pytest.fixture
def drawing(stand_in: StandIn) -> Iterator[Event]:
    """The stand-in draws until this event is set."""
    finished = Event()
    stand_in.latency, stand_in.sleep = 1, lambda _: finished.wait(60)
    yield finished
    finished.set()


def test_double_click_buys_one_picture_and_curl_replays_it(visit: Visit, stand_in: StandIn) -> None:
    prompt = 'It\'s "here" $HOME `id` \\ !\nnew line — niño 🌊'
    visit.field("Prompt").fill(prompt)
    key = visit.key()
    visit.page.get_by_role("button", name=SUBMIT).dblclick()
    visit.see_picture(prompt)
    visit.see_fact("Origin", "bought now")
    visit.see_fact("Key", key)
    visit.see_fact("Model", "gpt-image-2.6-flare")
    visit.see_fact("Price", "0.0132 USD")
    visit.see_fact("Provider's request id", re.compile("^req_"))
    visit.see_kept("ready")
    with visit.page.expect_popup() as opened:
        visit.page.get_by_role("link", name="Open the picture").click()
    opened.value.wait_for_load_state()
    assert opened.value.evaluate("document.contentType") == "image/png"
    expect(visit.page.locator("#wire li")).to_have_count(1)
    visit.press("Copy the curl command")
    expect(visit.page.get_by_role("status")).to_have_text("Copied.")
    command = visit.page.evaluate("navigator.clipboard.readText()")
    output = subprocess.run(["sh", "-c", command], capture_output=True, timeout=60, check=True).stdout.decode()
    meta = json.loads(output.splitlines()[-1])["_meta_"]
    assert (meta["prompt"], meta["replayed"]) == (prompt, True)
    assert stand_in.ledger()["requests"] == 1


def test_options_and_fields_of_the_event_are_sent(visit: Visit) -> None:
    visit.unfold("Options of the picture", "More fields of the event")
    visit.field("Quality").select_option("low")
    visit.field("Format").select_option("webp")
    visit.field("Compression").fill("60")
    visit.field("Size").fill("1536x1024")
    event = {"nextModule": "siguiente-nodo", "data": {"prompt_image": "Un faro", "pedido": {"numero": 4711}}}
    visit.field("JSON").fill(json.dumps(event))
    visit.send("")
    visit.see_picture("Un faro", width=1536)
    visit.unfold("Response body")
    visit.see_fact("Type", "image/webp")
    visit.see_fact("Options", "quality low, size 1536x1024, output_format webp, output_compression 60")
    response = json.loads(visit.page.locator("#json").inner_text())
    assert (response["nextModule"], response["data"]["pedido"]) == ("siguiente-nodo", {"numero": 4711})


@pytest.mark.parametrize(("wait", "first"), [(0, "POST /clients/1/images 202"), (25, "POST /clients/1/images …")])
def test_open_request_is_followed_in_every_tab(
    visit: Visit, open_page: Callable[[], Visit], drawing: Event, stand_in: StandIn, wait: int, first: str
) -> None:
    key = visit.key()
    visit.send(PROMPT, wait=wait)
    expect(visit.page.locator("#wire")).to_contain_text(first)
    expect(visit.page.get_by_role("timer")).to_have_text(re.compile(r"^[1-9]\d* s$"))
    visit.press("Stop waiting")
    expect(visit.page.get_by_role("status")).to_have_text(re.compile("^Stopped waiting."))
    visit.see_kept("in progress")

    other = open_page()
    expect(other.page.get_by_role("status")).to_have_text(re.compile("^Not ready yet: .* Next look in 3 s.$"))
    assert other.key() == key
    drawing.set()
    other.see_picture(PROMPT)
    other.see_fact("Key", key)
    other.see_fact("Origin", "bought now")
    last = other.page.locator("#wire li").last.inner_text()
    assert re.fullmatch(r"GET /clients/1/images/[0-9a-f-]{36} 200 after \d\.\d s", last)

    visit.see_kept("ready")
    visit.press(f"{PROMPT} ready")
    visit.see_picture(PROMPT)
    assert stand_in.ledger()["billed"] == 1


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


def assert_accessible(page: Page) -> None:
    """Assert that axe-core finds nothing, and that nothing is wider than the window."""
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for scheme, width in product(schemes, (320, 1400)):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate(FINDINGS) == []
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_every_state_is_accessible(visit: Visit, drawing: Event) -> None:
    visit.page.evaluate(AXE)
    visit.unfold("Options of the picture", "More fields of the event")
    assert_accessible(visit.page)
    visit.send(PROMPT, wait=0)
    expect(visit.page.get_by_role("button", name="Stop waiting")).to_be_visible()
    assert_accessible(visit.page)
    drawing.set()
    visit.see_picture(PROMPT)
    visit.unfold("Response body")
    assert_accessible(visit.page)
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
    expect(page.get_by_role("button", name="Stop waiting")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name=SUBMIT)).to_be_focused()
    drawing.set()
    visit.see_kept("ready")
    tab_to(page, "#requests button")
    page.keyboard.press("Enter")
    visit.see_fact("Origin", "bought before, read again")
    expect(page.get_by_role("region", name="The result")).to_be_focused()


def tab_to(page: Page, selector: str) -> None:
    """Press Tab until an element has the focus; assert that the focus is visible on the way."""
    focused = page.locator(":focus")
    for _ in range(40):
        page.keyboard.press("Tab")
        assert focused.evaluate("(element) => getComputedStyle(element).outlineStyle") != "none"
        if focused.evaluate("(element, selector) => element.matches(selector)", selector):
            return
    pytest.fail(f"Tab does not reach {selector}")
