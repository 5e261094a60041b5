"""The page as ``make serve`` serves it, in Chromium."""

import os
import time
from collections.abc import Iterator
from io import StringIO

import pytest
from playwright.sync_api import Browser, BrowserContext

from local.account import Account
from local.http_api import gateway, http_api
from local.openai_stand_in import StandIn
from local.web_server import web_server
from tests.page.browser import MISSING, browser, chromium
from tests.page.visit import Visit


@pytest.fixture(scope="package")
def running_browser() -> Iterator[Browser]:
    executable = chromium()
    if executable is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(MISSING)
    with browser(executable) as running:
        yield running


@pytest.fixture
def context(running_browser: Browser) -> Iterator[BrowserContext]:
    context = running_browser.new_context(
        viewport={"width": 1280, "height": 900},
        reduced_motion="reduce",
        permissions=["clipboard-read", "clipboard-write"],
    )
    yield context
    context.close()


@pytest.fixture
def url(account: Account, stand_in: StandIn) -> Iterator[str]:
    account.create_secret({"apiKey": stand_in.api_key})
    settings = account.settings | {"OPENAI_BASE_URL": stand_in.base_url}
    with (
        http_api(account, settings, StringIO(), sleep=lambda _: time.sleep(0.01)) as api,
        web_server(api) as url,
    ):
        yield url


@pytest.fixture
def url_without_retries(account: Account, stand_in: StandIn) -> Iterator[str]:
    """The API without a state machine: what passes is told at once."""
    account.create_secret({"apiKey": stand_in.api_key})
    settings = account.settings | {"OPENAI_BASE_URL": stand_in.base_url}
    with web_server(gateway(account, settings, StringIO())) as url:
        yield url


@pytest.fixture
def visit(context: BrowserContext, url: str) -> Iterator[Visit]:
    """The page, opened. What the browser complains of and the test did not take fails it."""
    visit = Visit(context.new_page(), url)
    visit.open()
    yield visit
    assert visit.complaints == []
