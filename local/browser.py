"""Chromium without a window, as the system has it: Playwright's own download is not needed."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
MISSING = f"This needs a browser on the PATH: {', '.join(NAMES)}. Debian: apt-get install chromium"


def chromium() -> str | None:
    """Return the path of the system's Chromium, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def browser(executable: str) -> Iterator[Browser]:
    """Run a browser until the context ends."""
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=executable) as running:
        yield running
