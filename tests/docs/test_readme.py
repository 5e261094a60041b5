"""The README names everything that a user can set, send or get."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from generate_image.errors import BY_CODE
from generate_image.settings import Settings
from tests.module import Module, read_event
from tests.template.stack import deploy, parse_template

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
SETTINGS = [field.name.upper() for field in fields(Settings)]


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_is_in_the_readme_and_the_template(name: str) -> None:
    assert f"`{name}`" in README
    environments = [
        function["Properties"].get("Environment", {}).get("Variables", {})
        for function in deploy().of_type("AWS::Lambda::Function").values()
    ]
    assert any(name in environment for environment in environments)


@pytest.mark.parametrize("name", sorted(parse_template()["Parameters"]))
def test_every_parameter_is_explained(name: str) -> None:
    setting = re.sub(r"(?<!^)(?=[A-Z])", "_", name).upper()
    assert f"`{name}`" in README or (setting in SETTINGS and f"`{setting}`" in README)


@pytest.mark.parametrize("code", sorted(BY_CODE))
def test_every_error_is_in_the_readme_as_it_is(code: str) -> None:
    row = re.search(rf"^\| `{code}` \| (\d+) \| (yes|no) \|", README, re.MULTILINE)
    assert row
    assert (int(row[1]), row[2] == "yes") == (BY_CODE[code].status, BY_CODE[code].retryable)


def test_no_error_is_in_the_readme_that_is_none() -> None:
    assert set(re.findall(r"^\| `(\w+Error)` \|", README, re.MULTILINE)) == set(BY_CODE)


FIELDS = [
    "client_id",
    "nextModule",
    "config.credentials_id",
    "config.prompt",
    "config.size",
    "data",
    "data.prompt_image",
    "data.prompt",
    "idempotency_key",
]


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_of_the_event_is_explained(name: str) -> None:
    table = README[README.index("### The event") : README.index("### The answer")]
    assert f"`{name}`" in table


def test_every_field_of_the_answer_is_shown(module: Module) -> None:
    answer = module.invoke(read_event("persistent"))
    shown = README[README.index("### The answer") : README.index("### From where")]
    for name in [*answer, *answer["_meta_"], "imageUrl", "urlPath", "localPath"]:
        assert f'"{name}"' in shown


def test_every_command_is_listed() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    commands = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))
    listed = set(re.findall(r"`make ([a-z-]+)", README))
    assert commands - listed <= {"lint", "lock", "clean", "help"}


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README))))
def test_every_link_leads_somewhere(link: str) -> None:
    assert (ROOT / link).exists()
