"""The documents name every setting, parameter, error, command and field, and their tables follow from the code."""

import re
from pathlib import Path

import pytest

from generate_image.errors import ERRORS_BY_CODE, GenerateImageError, ImageNotFoundError
from generate_image.event import CONFIG_FIELDS, PROMPT_FIELDS, TOP_FIELDS
from local.tables import TABLES, replaced

ROOT = Path(__file__).parents[2]
LISTED: list[type[GenerateImageError]] = [*ERRORS_BY_CODE.values(), ImageNotFoundError]
README = (ROOT / "README.md").read_text("utf-8")


@pytest.mark.parametrize(("document", "name"), TABLES)
def test_table_follows_from_the_code(document: str, name: str) -> None:
    text = (ROOT / document).read_text("utf-8")
    assert replaced(text, name, TABLES[document, name]()) == text, "make docs writes it again"


def test_errors_are_those_of_the_code() -> None:
    rows = re.findall(r"^\| `(\w+Error)` \| (\d+) \| (yes|no) \|", README, re.MULTILINE)

    assert {(code, int(status), retry == "yes") for code, status, retry in rows} == {
        (error.__name__, error.status, error.retryable) for error in LISTED
    }


FIELDS = [*TOP_FIELDS, *(f"config.{name}" for name in CONFIG_FIELDS), *(".".join(path) for path in PROMPT_FIELDS)]


@pytest.mark.parametrize("name", [field for field in FIELDS if field != "config"])
def test_field_of_the_event_is_explained(name: str) -> None:
    assert f"`{name}`" in README


def test_command_is_listed() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    commands = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))
    listed = set(re.findall(r"`make ([a-z-]+)", README))
    assert commands - listed <= {"lint", "lock", "clean", "clean-all", "help", "docs", "test-slow"}


@pytest.mark.parametrize(
    "page", sorted(path.relative_to(ROOT) for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]), ids=str
)
def test_every_link_leads_to_a_file(page: Path) -> None:
    text = (ROOT / page).read_text("utf-8")
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (ROOT / page.parent / link).exists(), link
