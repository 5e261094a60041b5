"""Make the README's picture of the page, in the project's root: ``PYTHONPATH=src python -m tests.page.screenshot``."""

import sys
import time
from io import BytesIO, StringIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import expect

from local.account import local_account
from local.http_api import http_api
from local.openai_stand_in import StandIn
from local.web_server import web_server
from tests.page.browser import MISSING, browser, chromium
from tests.page.visit import Visit

SCREENSHOT = Path("docs/page.png")
PROMPTS = (
    "A lighthouse in the fog",
    "Un bosque de niebla",
    "Un velero en el puerto",
    "Un paisaje futurista",
    "Una casa en el desierto",
    "Un gato astronauta en la luna",
)


def main() -> int:
    """Order some pictures, save what the page shows then, and return the exit status."""
    executable = chromium()
    if executable is None:
        sys.stderr.write(f"{MISSING}\n")
        return 1
    with StandIn() as stand_in, local_account() as account:
        account.create_secret({"apiKey": stand_in.api_key})
        settings = account.settings | {"OPENAI_BASE_URL": stand_in.base_url}
        with (
            http_api(account, settings, StringIO(), sleep=time.sleep) as api,
            web_server(api) as url,
            browser(executable) as running,
        ):
            context = running.new_context(viewport={"width": 1180, "height": 900}, reduced_motion="reduce")
            visit = Visit(context.new_page(), url)
            visit.open()
            for number, prompt in enumerate(PROMPTS, 1):
                visit.order(prompt)
                visit.see_picture(prompt)
                expect(visit.page.locator("#frames img")).to_have_count(number)
            visit.page.wait_for_function("[...document.images].every((image) => image.complete)")
            shot = Image.open(BytesIO(visit.page.screenshot(full_page=True)))
            shot.convert("RGB").save(SCREENSHOT, optimize=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
