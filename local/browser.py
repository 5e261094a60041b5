"""Chromium without a window, as the system has it: Playwright's own download is not needed."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
MISSING = f"This needs a browser on the PATH: {', '.join(NAMES)}. Debian: apt-get install chromium"
OPTIONS = (
    "--no-sandbox",  # Chromium does not start its sandbox as root, the user of containers
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def chromium() -> str | None:
    """Return the path of the system's Chromium, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def browser(executable: str) -> Iterator[Browser]:
    """Run a browser until the context ends."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=executable, args=OPTIONS)
        try:
            yield running
        finally:
            running.close()
