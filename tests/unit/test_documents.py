"""The documents' links lead to files, and their tables follow from the code."""

import re
from pathlib import Path

import pytest

from generate_image.errors import ERRORS_BY_CODE, GenerateImageError, ImageNotFoundError
from local.tables import TABLES, replaced

LISTED: list[type[GenerateImageError]] = [*ERRORS_BY_CODE.values(), ImageNotFoundError]
ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]


@pytest.mark.parametrize(("document", "name"), TABLES)
def test_table_follows_from_the_code(document: str, name: str) -> None:
    text = (ROOT / document).read_text("utf-8")
    assert replaced(text, name, TABLES[document, name]()) == text, "make docs writes it again"


def test_errors_are_those_of_the_code() -> None:
    rows = re.findall(
        r"^\| `(\w+Error)` \| (\d+) \| (yes|no) \|", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE
    )
    assert {(code, int(status), retry == "yes") for code, status, retry in rows} == {
        (error.__name__, error.status, error.retryable) for error in LISTED
    }


def test_every_link_leads_to_a_file() -> None:
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
            assert (page.parent / link).exists(), (page, link)
