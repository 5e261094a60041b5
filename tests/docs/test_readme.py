"""The README names everything that a user can set, send or get."""

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest

from generate_image.errors import ERRORS_BY_CODE
from generate_image.event import CONFIG_FIELDS, PROMPT_FIELDS, TOP_FIELDS
from generate_image.settings import Settings
from local.expand_template import parse_template
from tests.events import EVENTS, read_event
from tests.module import Module

ROOT = EVENTS.parent
README = (ROOT / "README.md").read_text("utf-8")
SETTINGS = [field.name.upper() for field in fields(Settings) if "check" in field.metadata]


def section(heading: str) -> str:
    """Return the section under a heading of any level."""
    found = re.search(rf"^(#+) {heading}\n(.*?)(?=^#{{1,6}} |\Z)", README, re.MULTILINE | re.DOTALL)
    assert found, heading
    return found[2]


@pytest.mark.parametrize("name", SETTINGS)
def test_setting_is_named(name: str) -> None:
    assert f"`{name}`" in README


@pytest.mark.parametrize("name", sorted(parse_template()["Parameters"]))
def test_parameter_is_named(name: str) -> None:
    setting = re.sub(r"(?<!^)(?=[A-Z])", "_", name).upper()
    assert f"`{name}`" in README or (setting in SETTINGS and f"`{setting}`" in README)


def test_errors_are_those_of_the_code() -> None:
    rows = re.findall(r"^\| `(\w+Error)` \| (\d+) \| (yes|no) \|", README, re.MULTILINE)

    assert {(code, int(status), retry == "yes") for code, status, retry in rows} == {
        (code, error.status, error.retryable) for code, error in ERRORS_BY_CODE.items()
    }


@pytest.mark.parametrize(
    "name",
    [*TOP_FIELDS, *(f"config.{name}" for name in CONFIG_FIELDS), *(".".join(path) for path in PROMPT_FIELDS)],
)
def test_field_of_the_event_is_explained(name: str) -> None:
    assert f"`{name}`" in section("The event") or name == "config"


def test_example_answer_has_every_field(module: Module) -> None:
    answer = module.invoke(read_event("persistent"))
    example = re.search(r"```json\n(.*?)```", section("The answer"), re.DOTALL)

    assert example
    shown = json.loads(example[1])
    assert set(answer) <= set(shown)
    assert set(answer["_meta_"]) <= set(shown["_meta_"])


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
