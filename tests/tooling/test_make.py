"""The commands that a newcomer types, on machines that have what is needed and on machines that do not."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ("awk", "echo", "env", "make", "rm", "sed", "sh", "touch")


class Machine:
    """A checkout of the Makefiles beside a PATH that has only what a test puts there."""

    def __init__(self, directory: Path) -> None:
        self.checkout = directory / "check out"
        self.programs = directory / "programs"
        for path in ("src", "requirements", "local"):
            (self.checkout / path).mkdir(parents=True)
        self.programs.mkdir()
        for tool in TOOLS:
            self.install(tool, f'exec {shutil.which(tool)} "$@"')
        shutil.copy(ROOT / "Makefile", self.checkout)
        shutil.copy(ROOT / "src/Makefile", self.checkout / "src")
        for requirements in ("src/requirements.txt", "requirements/local.txt"):
            (self.checkout / requirements).touch()
        (self.checkout / "local/run.py").write_text(
            'import json, os, sys\nprint(json.dumps({"event": sys.argv[1:], "prompt": os.environ.get("PROMPT")}))\n'
            'open("environment.json", "w").write(json.dumps(dict(os.environ)))\n'
        )

    def install(self, name: str, script: str) -> None:
        program = self.programs / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    def install_python(self, name: str, pretending: str = "pass") -> None:
        """Install this interpreter, changed by a statement before it runs the code it is given."""
        self.install(
            name,
            f"""case "$1" in
              -c) exec {sys.executable} -c 'import sys; {pretending}; exec(sys.argv[1])' "$2" ;;
              *) exec {sys.executable} "$@" ;;
            esac""",
        )

    def make(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["make", *arguments],
            cwd=self.checkout,
            env={"PATH": str(self.programs), "HOME": os.environ["HOME"], **environment},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def set_up(machine: Machine) -> Machine:
    """A machine whose environment was made before: this interpreter, by another name."""
    machine.checkout.joinpath(".venv/bin").mkdir(parents=True)
    machine.checkout.joinpath(".venv/bin/python").symlink_to(sys.executable)
    machine.checkout.joinpath(".venv/.run").touch()
    return machine


def test_a_first_run_tells_its_set_up_beside_the_answer_and_a_second_has_none_to_tell(machine: Machine) -> None:
    machine.install("python3.13", "echo 'pyenv: python3.13: command not found' >&2; exit 127")
    machine.install_python("python3")

    first, second = machine.make("run"), machine.make("run")

    assert json.loads(first.stdout) == json.loads(second.stdout) == {"event": ["events/direct.json"], "prompt": None}
    assert "Making .venv" in first.stderr
    assert "Installing" in first.stderr
    assert second.stderr == ""


def test_set_up_is_done_again_when_a_requirement_changes(set_up: Machine) -> None:
    later = (set_up.checkout / ".venv/.run").stat().st_mtime + 1
    os.utime(set_up.checkout / "requirements/local.txt", (later, later))

    run = set_up.make("run")

    assert "Installing" in run.stderr


def test_python_too_old_is_one_line_that_says_what_to_do(machine: Machine) -> None:
    machine.install_python("python3", "sys.version_info = (3, 9, 18)")

    run = machine.make("run")

    said, *make_s_own = run.stderr.splitlines()
    assert said.startswith("Python 3.11 or newer is needed, found 3.9: install one")
    assert all(line.startswith("make: ***") for line in make_s_own)
    assert (run.returncode, run.stdout) == (2, "")


def test_no_python_is_one_line_that_says_what_to_do(machine: Machine) -> None:
    run = machine.make("run")

    assert run.stderr.startswith("Python 3.11 or newer is needed, found none: install one")
    assert run.returncode == 2


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
def test_python_without_venv_is_one_line_that_says_what_to_install(machine: Machine, module: str) -> None:
    machine.install_python("python3", f'sys.version_info = (3, 12, 3); sys.modules["{module}"] = None')

    run = machine.make("run")

    said, *make_s_own = run.stderr.splitlines()
    assert said.startswith("Python 3.12 has no venv module: install it")
    assert said.endswith("apt-get install python3.12-venv).")
    assert all(line.startswith("make: ***") for line in make_s_own)
    assert run.returncode == 2


def test_it_talks_to_this_machine_whatever_proxy_and_account_the_user_has(set_up: Machine) -> None:
    run = set_up.make("run", HTTP_PROXY="http://proxy.example", NO_PROXY="example.org", AWS_PROFILE="mine")

    environment = json.loads((set_up.checkout / "environment.json").read_text())
    assert run.returncode == 0
    assert environment["NO_PROXY"].split(",") == ["127.0.0.1", "localhost", "example.org"]
    assert environment["no_proxy"].startswith("127.0.0.1,localhost")
    assert "AWS_PROFILE" not in environment


PROMPTS = [
    "Un gato astronauta en la luna",
    """It's a "cat", `id` $(id) $HOME ${HOME} $$ \\ # 100% ; | & <é>""",
    "two\nlines",
    "",
]


@pytest.mark.parametrize("prompt", PROMPTS)
def test_a_prompt_arrives_as_it_was_typed(set_up: Machine, prompt: str) -> None:
    argument = set_up.make("run", f"PROMPT={prompt}")
    variable = set_up.make("run", PROMPT=prompt)

    assert json.loads(argument.stdout)["prompt"] == prompt
    assert json.loads(variable.stdout)["prompt"] == prompt


def test_another_event_is_one_argument(set_up: Machine) -> None:
    run = set_up.make("run", "EVENT=events/it's $mine.json")

    assert json.loads(run.stdout)["event"] == ["events/it's $mine.json"]


def test_make_alone_lists_every_command(machine: Machine) -> None:
    listed = [line.split()[1] for line in machine.make().stdout.splitlines()]

    targets = {
        word
        for line in (ROOT / "Makefile").read_text().splitlines()
        if line.startswith(".PHONY:")
        for word in line.split()[1:]
    }
    assert set(listed) == targets
    assert {"run", "test"} <= targets


def test_the_artifact_is_compiled_by_the_runtime_s_python_or_says_that_it_is_missing(machine: Machine) -> None:
    machine.install_python("python3", "sys.version_info = (3, 11, 2)")

    missing = machine.make("--directory=src", "python313")
    machine.install_python("python3.13", "sys.version_info = (3, 13, 0)")
    found = machine.make("--directory=src", "--silent", "python313")

    assert "Python 3.13 with pip is needed to compile for the python3.13 runtime: install it" in missing.stderr
    assert missing.returncode == 2
    assert found.stdout == "python3.13\n"


def test_the_artifact_is_built_for_an_architecture_that_lambda_has(machine: Machine) -> None:
    machine.install_python("python3.13", "sys.version_info = (3, 13, 0)")

    build = machine.make("--directory=src", "build-GenerateImageFunction", ARCHITECTURE="mips")

    assert "ARCHITECTURE is x86_64 or arm64, not mips." in build.stderr
    assert build.returncode == 2
