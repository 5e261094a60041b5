"""Chromium without a window, as the system has it: Playwright's own download is not needed."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
MISSING = (
    f"The page is tested in a browser, and none of {', '.join(NAMES)} is on the PATH. "
    "Install one (Debian: apt-get install chromium; macOS: brew install --cask google-chrome and link it)."
)
OPTIONS = (
    "--no-sandbox",  # Chromium refuses to start its sandbox as root, as whom containers run
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
AXE = (files("axe_playwright_python") / "axe.min.js").read_text("utf-8")


def chromium() -> str | None:
    """Return the path of the system's Chromium, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def browser(executable: str) -> Iterator[Browser]:
    """Run a browser for as long as the context lasts."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=executable, args=OPTIONS)
        try:
            yield running
        finally:
            running.close()


def serious_findings(page: Page) -> list[dict[str, Any]]:
    """Return axe-core's findings of serious or critical impact on the page as it is now."""
    page.evaluate(AXE)
    violations: list[dict[str, Any]] = page.evaluate("axe.run().then((results) => results.violations)")
    return [violation for violation in violations if violation["impact"] in ("serious", "critical")]
