"""The page in a browser, with the steps that the tests share."""

import re

from playwright.sync_api import ConsoleMessage, Locator, Page, expect

SUBMIT = "Make the picture"
expect.set_options(timeout=30_000)  # milliseconds


class Visit:
    """One tab with the page, and the complaints of the browser."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.goto(url)

    def send(self, prompt: str, *, wait: int = 25) -> None:
        """Fill in the form and send it. wait: seconds until the first response."""
        self.field("Prompt").fill(prompt)
        self.field("Wait for the picture").select_option(str(wait))
        self.press(SUBMIT)

    def press(self, button: str) -> None:
        self.page.get_by_role("button", name=button).click()

    def unfold(self, *sections: str) -> None:
        for section in sections:
            self.page.get_by_text(section, exact=True).click()

    def see_picture(self, prompt: str, width: int = 1024) -> None:
        """Wait for the picture of a prompt."""
        expect(self.page.get_by_alt_text(prompt, exact=True)).to_be_visible()
        expect(self.page.locator("#picture")).to_have_js_property("naturalWidth", width)

    def see_problem(self, code: str, *complaints: str) -> Locator:
        """Wait for a problem with this code. complaints: parts of the browser's complaints about it."""
        problem = self.page.get_by_role("article")
        expect(problem).to_contain_text(code)
        assert len(self.complaints) == len(complaints)
        assert all(part in found for part, found in zip(complaints, self.complaints, strict=True))
        self.complaints.clear()
        return problem

    def see_fact(self, name: str, value: str | re.Pattern[str]) -> None:
        """Wait for a fact beside the picture, such as its price."""
        expect(self.page.locator(f'#facts div:has(dt:text-is("{name}")) dd')).to_have_text(value)

    def see_kept(self, *statuses: str) -> None:
        """Wait for the statuses in the list of requests."""
        expect(self.page.locator("#requests .state")).to_have_text(list(statuses))

    def field(self, label: str) -> Locator:
        return self.page.get_by_role("form").get_by_label(label)

    def key(self) -> str:
        return self.field("Idempotency key").input_value()

    def sent_key(self) -> str:
        """Return the key in the curl command."""
        [key] = re.findall(r"Idempotency-Key: ([^']+)'", self.page.locator("#curl").inner_text())
        return str(key)

    def _on_console(self, line: ConsoleMessage) -> None:
        if line.type in ("error", "warning"):
            self.complaints.append(line.text)
