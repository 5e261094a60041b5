"""The page as ``make serve`` serves it, in Chromium."""

import time
from collections.abc import Callable, Iterator
from io import StringIO
from threading import Event

import pytest
from playwright.sync_api import Browser

from local.account import Account
from local.browser import MISSING, browser, chromium
from local.http_api import http_api
from local.openai_stand_in import StandIn
from local.web_server import web_server
from tests.page.visit import Visit


@pytest.fixture(scope="session")
def running_browser() -> Iterator[Browser]:
    executable = chromium()
    if executable is None:
        pytest.skip(f"{MISSING}. Then: make test-all")
    with browser(executable) as running:
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
