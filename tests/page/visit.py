"""Somebody who looks at the page."""

import re
from io import BytesIO

import requests
from PIL import Image, ImageChops, ImageStat
from playwright.sync_api import ConsoleMessage, Locator, Page, expect

SUBMIT = "Make the picture"
expect.set_options(timeout=30_000)  # milliseconds; a loaded machine takes its time


class Visit:
    """The page in a browser, and what the browser complains of."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.complaints: list[str] = []
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def open(self) -> None:
        self.page.goto(self.url)

    def order(self, prompt: str, *, wait: int = 25) -> None:
        """Fill the form in and send it. wait: seconds until the first answer."""
        self.page.get_by_label("Prompt").fill(prompt)
        self.page.get_by_label("The first answer comes").select_option(str(wait))
        self.submit()

    def submit(self) -> None:
        self.page.get_by_role("button", name=SUBMIT).click()

    def see_picture(self, prompt: str) -> Locator:
        """Wait for the picture of a prompt."""
        picture = self.page.locator("#picture")
        expect(picture).to_be_visible()
        expect(picture).to_have_attribute("alt", prompt)
        return picture

    def see_problem(self, code: str) -> Locator:
        """Wait for a problem of this code, and take the browser's own complaint about it."""
        problem = self.page.locator("#problem")
        expect(problem).to_be_visible()
        expect(problem).to_contain_text(code)
        return problem

    def badge(self, text: str) -> Locator:
        return self.page.get_by_label("About this picture").get_by_text(text)

    def field(self, label: str) -> Locator:
        return self.page.get_by_role("textbox", name=label, exact=True)

    def key(self) -> str:
        return self.field("Idempotency key").input_value()

    def ordered_keys(self) -> list[str]:
        """Return the keys in the curl line that is shown."""
        return re.findall(r"Idempotency-Key: ([^']+)'", self.page.locator("#curl").inner_text())

    def take_complaints(self) -> list[str]:
        """Return what the browser complained of, and forget it."""
        complaints, self.complaints = self.complaints, []
        return complaints

    def _hear(self, said: ConsoleMessage) -> None:
        if said.type in ("error", "warning"):
            self.complaints.append(said.text)


def looks_like(picture: Locator, url: str) -> bool:
    """Whether the screen shows what the link gives."""
    shown = Image.open(BytesIO(picture.screenshot())).convert("RGB")
    response = requests.get(url, timeout=30)
    response.raise_for_status()
    given = Image.open(BytesIO(response.content)).convert("RGB").resize(shown.size)
    difference = ImageStat.Stat(ImageChops.difference(shown, given)).mean
    return max(difference) < 4  # of 255: two ways to scale a picture differ by about one
