"""Make the README's pictures: ``PYTHONPATH=src python -m local.screenshot`` in the project's root."""

import sys
import time
from hashlib import sha256
from io import BytesIO, StringIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import expect

from local.account import local_account
from local.browser import MISSING, browser, chromium
from local.http_api import http_api
from local.openai_stand_in import StandIn
from local.openai_stand_in.pictures import draw
from local.web_server import web_server

PAGE, PICTURE = Path("docs/page.png"), Path("docs/picture.png")
PICTURE_EDGE = 320  # pixels
PROMPTS = ("Un faro en la niebla", "Un puerto en la niebla", "Un gato astronauta en la luna")


def main() -> int:
    """Send some requests, save the page and a picture, and return the exit status."""
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
            page = running.new_context(viewport={"width": 1180, "height": 900}, reduced_motion="reduce").new_page()
            page.goto(url)
            page.get_by_text("Options of the picture").click()
            for prompt in PROMPTS:
                page.get_by_label("Prompt").fill(prompt)
                page.get_by_role("button", name="Make the picture").click()
                expect(page.get_by_alt_text(prompt)).to_be_visible(timeout=30_000)
            _save(Image.open(BytesIO(page.screenshot(full_page=True))), PAGE)
    picture = Image.open(BytesIO(draw(sha256(PROMPTS[-1].encode()).digest(), (1024, 1024))))
    _save(picture.convert("RGB").resize((PICTURE_EDGE, PICTURE_EDGE)), PICTURE)
    return 0


def _save(picture: Image.Image, path: Path) -> None:
    picture.convert("RGB").save(path, optimize=True)


if __name__ == "__main__":
    sys.exit(main())
