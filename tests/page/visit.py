"""The page in a browser, with the steps that the tests share."""

import re

from playwright.sync_api import ConsoleMessage, Locator, Page, expect

SUBMIT = "Make the picture"
expect.set_options(timeout=30_000)  # milliseconds


class Visit:
    """One tab with the page, and the complaints of the browser."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.complaints: list[str] = []
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def open(self) -> None:
        self.page.goto(self.url)

    def send(self, prompt: str, *, wait: int = 25) -> None:
        """Fill in the form and send it. wait: seconds until the first response."""
        self.page.get_by_label("Prompt").fill(prompt)
        self.page.get_by_label("Wait for the picture").select_option(str(wait))
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
        """Wait for a problem with this code."""
        problem = self.page.locator("#problem")
        expect(problem).to_be_visible()
        expect(problem).to_contain_text(code)
        return problem

    def see_waiting(self) -> Locator:
        """Wait for the button that stops waiting."""
        button = self.page.get_by_role("button", name="Stop waiting")
        expect(button).to_be_visible()
        return button

    def fact(self, name: str) -> Locator:
        """Return a fact beside the picture, such as its price."""
        return self.page.locator(f'#facts div:has(dt:text-is("{name}")) dd')

    def field(self, label: str) -> Locator:
        return self.page.get_by_role("textbox", name=label, exact=True)

    def key(self) -> str:
        return self.field("Idempotency key").input_value()

    def sent_keys(self) -> list[str]:
        """Return the keys in the curl command."""
        return re.findall(r"Idempotency-Key: ([^']+)'", self.page.locator("#curl").inner_text())

    def kept(self) -> Locator:
        """Return the list of requests."""
        return self.page.get_by_role("region", name="Requests of this browser").get_by_role("button")

    def take_complaints(self) -> list[str]:
        """Return the complaints of the browser, and forget them."""
        complaints, self.complaints = self.complaints, []
        return complaints

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)
